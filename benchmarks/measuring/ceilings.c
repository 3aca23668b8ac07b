/* What no product of matrices can exceed on one core: multiplying and adding in registers, reading.

Compiled with -DREAL=float or double, or with -DPAIRS: of integers of 16 bits, as the kernel does. */
#include <stdint.h>

#if defined PAIRS
#include "products.h"
enum { CHAINS = REGISTERS * 3 / 4 };
#elif defined __AVX512F__
enum { VECTOR = 64, CHAINS = 24 }; /* more than what a core works on at once, fewer than registers */
#elif defined __AVX__
enum { VECTOR = 32, CHAINS = 12 };
#elif defined __aarch64__
enum { VECTOR = 16, CHAINS = 24 };
#else
enum { VECTOR = 16, CHAINS = 12 };
#endif

#ifndef PAIRS
enum { LINE = 64 };
typedef REAL vector __attribute__((vector_size(VECTOR)));
#define UNROLLED _Pragma("GCC unroll 32") for

const int64_t operations = 2 * CHAINS * (VECTOR / sizeof(REAL)); /* of an iteration */

/* Multiply and add `n` times in each of CHAINS independent chains. */
double
multiply_add(int64_t n)
{
    vector sum[CHAINS], factor = (vector){0} + (REAL)0.5, total = {0};
    UNROLLED (int i = 0; i < CHAINS; i++)
        sum[i] = factor + (REAL)i;
    for (int64_t k = 0; k < n; k++)
        UNROLLED (int i = 0; i < CHAINS; i++)
            sum[i] = sum[i] * factor + factor;
    UNROLLED (int i = 0; i < CHAINS; i++)
        total += sum[i];
    return total[0];
}
#else
const int64_t operations = 4 * CHAINS * WIDTH; /* two products for each sum */

double
multiply_add(int64_t n)
{
    const vector one = (vector){0} + (0x1.8p23f + 1);
    Pair pairs[WIDTH] __attribute__((aligned(LINE)));
    int32_t ones[WIDTH] __attribute__((aligned(LINE)));
    store_pairs(pairs, one, one);
    for (int i = 0; i < WIDTH; i++)
        ones[i] = 0x00010001;
    const Weights weights = load_pairs(ones);
    Sums sum[CHAINS] = {{0}}, total = {0};
    for (int64_t k = 0; k < n; k++)
        UNROLLED (int i = 0; i < CHAINS; i++)
            sum[i] = add_products(sum[i], weights, pairs);
    UNROLLED (int i = 0; i < CHAINS; i++)
        total += sum[i];
    return total[0];
}
#endif

enum { STREAMS = 8 }; /* one stream read 128 MiB at two thirds of the rate of four or eight */
typedef uint64_t bits __attribute__((vector_size(VECTOR), aligned(8)));

/* Read `n` lines `repeats` times, eight streams at once. */
uint64_t
read_lines(const char *first, int64_t n, int64_t repeats)
{
    bits sum[STREAMS] = {{0}}, total = {0};
    const int64_t length = n / STREAMS * LINE;
    for (int64_t r = 0; r < repeats; r++) {
        for (int64_t k = 0; k < length; k += LINE)
            UNROLLED (int i = 0; i < STREAMS; i++)
                UNROLLED (int v = 0; v < LINE; v += VECTOR)
                    sum[i] += *(const bits *)(first + i * length + k + v);
        for (int64_t k = STREAMS * length; k < n * LINE; k += VECTOR)
            sum[0] += *(const bits *)(first + k);
        __asm__ volatile("" : : : "memory"); /* or the compiler reads once */
    }
    UNROLLED (int i = 0; i < STREAMS; i++)
        total += sum[i];
    return total[0];
}
