/* Pairs of integers of 16 bits, and sums of their products, by what each CPU has for them.

No sum can reach 2^31, as samples and weights are packed: it is exact. GCC 12 copies the sums of
intrinsic functions from register to register and into memory, so that assembler is used. */
#pragma once
#include "model.h"

#if defined __x86_64__
typedef ints Sums;
typedef ints Weights; /* WIDTH pairs, one of each class */
typedef int32_t Pair; /* of a sample */

INLINE Weights
load_pairs(const int32_t *weights)
{
    return *(const ints *)weights;
}

INLINE Sums
add_products(Sums sum, Weights weights, const Pair *pair)
{
#if defined __AVX512BW__ && defined __AVX512VNNI__
    __asm__("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*pair));
#else
    ints products = (ints){0} + *pair;
#if defined __AVX__
    __asm__("vpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0" : "+v"(sum), "+v"(products) : "v"(weights));
#else
    __asm__("pmaddwd %2, %1\n\tpaddd %1, %0" : "+x"(sum), "+x"(products) : "x"(weights));
#endif
#endif
    return sum;
}

/* Store WIDTH pairs of integers, each given as the number that it is added to, 1.5 * 2^23. */
INLINE void
store_pairs(Pair *pairs, vector first, vector second)
{
    *(ints *)pairs = ((ints)first & 0xffff) | ((ints)second << 16);
}
#else
/* Others multiply floats faster. These sums are rounded. */
typedef vector Sums;
typedef struct { vector of[2]; } Weights;
typedef struct { float of[2]; } Pair;

INLINE Weights
load_pairs(const int32_t *from)
{
    const ints pairs = *(const ints *)from;
    const ints second = pairs >> 16, first = pairs << 16 >> 16;
    Weights weights = {{__builtin_convertvector(first, vector),
                        __builtin_convertvector(second, vector)}};
    /* Left alone, GCC computes these again for each sample. */
    KEEP_IN_REGISTER(weights.of[0]);
    KEEP_IN_REGISTER(weights.of[1]);
    return weights;
}

INLINE Sums
add_products(Sums sum, Weights weights, const Pair *pair)
{
    sum += weights.of[0] * pair->of[0];
    return sum + weights.of[1] * pair->of[1];
}

INLINE void
store_pairs(Pair *pairs, vector first, vector second)
{
    for (int i = 0; i < WIDTH; i++)
        pairs[i] = (Pair){{first[i] - 0x1.8p23f, second[i] - 0x1.8p23f}};
}
#endif

INLINE vector
root(vector values)
{
#if defined __AVX512BW__
    return (vector)_mm512_sqrt_ps((__m512)values);
#elif defined __AVX2__
    return (vector)_mm256_sqrt_ps((__m256)values);
#elif defined __x86_64__
    return (vector)_mm_sqrt_ps((__m128)values);
#else
    for (int i = 0; i < WIDTH; i++)
        values[i] = sqrtf(values[i]);
    return values;
#endif
}
