/* What all of the kernel shares: vectors, packed weights, samples. */
#pragma once
#include "pool.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined __AVX2__
#include <immintrin.h>
#endif

#if defined __AVX512F__
enum { VECTOR = 64, REGISTERS = 32 };
#elif defined __AVX__
enum { VECTOR = 32, REGISTERS = 16 };
#elif defined __aarch64__
enum { VECTOR = 16, REGISTERS = 32 };
#else
enum { VECTOR = 16, REGISTERS = 16 };
#endif

#ifdef __FAST_MATH__
#error "-ffast-math: NaN and infinity have a meaning here"
#endif

enum {
    LINE = 64,                    /* bytes: those of a panel's classes for one feature */
    CLASSES = LINE / sizeof(float),
    WIDTH = VECTOR / sizeof(float),
    VECTORS = LINE / VECTOR,      /* of a panel, for one feature */
    LANES = VECTOR / sizeof(double),
    EIGHT = 8,
    MOST = 512,                   /* features of a block, at most */
    PART = 128,                   /* features of a block that are summed by themselves */
};

typedef float vector __attribute__((vector_size(VECTOR)));
typedef int32_t ints __attribute__((vector_size(VECTOR)));
typedef int16_t shorts __attribute__((vector_size(VECTOR / 2)));
typedef float loose_vector __attribute__((vector_size(VECTOR), aligned(4)));
/* LANES values in float64 and in float32. GCC makes wider vectors than a register's from bytes. */
typedef double wide __attribute__((vector_size(VECTOR), aligned(8)));
typedef float narrow __attribute__((vector_size(VECTOR / 2), aligned(4)));
#define WIDE(values) __builtin_convertvector(values, wide)
#define NARROW(values) __builtin_convertvector(values, narrow)
/* GCC 12 makes five instructions of the first of these conversions, where one would do. */
#if defined __AVX512F__
#define INTS(shorts) ((ints)_mm512_cvtepi16_epi32((__m256i)(shorts)))
#elif defined __AVX2__
#define INTS(shorts) ((ints)_mm256_cvtepi16_epi32((__m128i)(shorts)))
#else
#define INTS(shorts) __builtin_convertvector(shorts, ints)
#endif
#define FLOATS(shorts) __builtin_convertvector(INTS(shorts), vector)

#define UNROLLED _Pragma("GCC unroll 32") for
#define INLINE static inline __attribute__((always_inline))

/* GCC's -O2 leaves loops as they are that Clang's makes vectors of. */
#if defined __clang__
#define IN_VECTORS
#else
#define IN_VECTORS __attribute__((optimize("O3")))
#endif

/* Left alone, GCC reads a weight again for each sample: large batches took 1.6 times as long. */
#if defined __x86_64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+v"(vector))
#elif defined __aarch64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+w"(vector))
#else
#define KEEP_IN_REGISTER(vector)
#endif

/* Packed weights. */
typedef struct {
    char *coef;         /* (n_classes, n_features): as given, float64 if `is_wide`, else float32 */
    float *lines;       /* (n_blocks, n_panels, block, CLASSES), aligned to LINE */
    int16_t *integers;  /* as `lines`, or NULL */
    double *scales;     /* of integers (n_blocks, n_panels * CLASSES) */
    /* (n_panels * CLASSES): what is added to the scores, and the bound on their error: `error`, or
       `error_of_integers`, times the norm of the sample, and `rounding`. */
    const double *offset, *error, *error_of_integers, *rounding;
    int64_t is_wide, n_classes, n_features, n_panels, block, n_blocks, n_ranges;
} Model;

/* Samples, or classes: rows of n_features float32, or float64, `stride` values apart. */
typedef struct {
    const char *values;
    int64_t is_wide, stride, n;
} Rows;

INLINE int64_t
smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where a part of n begins, if n is divided evenly. */
INLINE int64_t
begin(int64_t part, int64_t n_parts, int64_t n)
{
    return n * part / n_parts;
}

/* Take the next of what threads share. */
INLINE int64_t
next(int64_t *taken)
{
    return __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
}

/* Features of a block. */
INLINE int64_t
features(const Model *m, int64_t block)
{
    return smaller(m->block, m->n_features - block * m->block);
}

INLINE const char *
address(const Rows *x, int64_t row, int64_t feature)
{
    return x->values + (row * x->stride + feature) * (x->is_wide ? 8 : 4);
}

INLINE double
value(const Rows *x, int64_t row, int64_t feature)
{
    const char *from = address(x, row, feature);
    return x->is_wide ? *(const double *)from : *(const float *)from;
}

/* LANES values. */
INLINE wide
several(const Rows *x, int64_t row, int64_t feature)
{
    const char *from = address(x, row, feature);
    return x->is_wide ? *(const wide *)from : WIDE(*(const narrow *)from);
}
