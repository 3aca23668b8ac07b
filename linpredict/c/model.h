/* What all of the kernel shares: vectors, packed weights, samples. */
#pragma once
#include "pool.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

#if defined __AVX512BW__
enum { VECTOR = 64, REGISTERS = 32 };
#elif defined __AVX2__
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
    LINE = 64,                    /* bytes: those of a panel's classes for a pair of features */
    CLASSES = LINE / sizeof(int32_t),
    WIDTH = VECTOR / sizeof(int32_t),
    VECTORS = LINE / VECTOR,      /* of a panel, for a pair of features */
    LANES = VECTOR / sizeof(double),
    EIGHT = 8,
    MOST = 512,                   /* features of a block, at most */
    PARTS = 16,                   /* of a block: a vector of 16 features has one of each */
    OF_PAIRS = 2 * PARTS,         /* features of which each part has a pair; a block has whole ones */
};

typedef float vector __attribute__((vector_size(VECTOR)));
typedef int32_t ints __attribute__((vector_size(VECTOR)));
/* LANES values in float64 and in float32. GCC makes wider vectors than a register's from bytes. */
typedef double wide __attribute__((vector_size(VECTOR), aligned(8)));
typedef float narrow __attribute__((vector_size(VECTOR / 2), aligned(4)));
#define WIDE(values) __builtin_convertvector(values, wide)
#define NARROW(values) __builtin_convertvector(values, narrow)

#define UNROLLED _Pragma("GCC unroll 32") for
#define INLINE static inline __attribute__((always_inline))

/* GCC's -O2 leaves loops as they are that Clang's makes vectors of. */
#if defined __clang__
#define IN_VECTORS
#else
#define IN_VECTORS __attribute__((optimize("O3")))
#endif

/* Have a value computed as it is written: not again for each use, nor at once with what follows. */
#if defined __x86_64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+v"(vector))
#elif defined __aarch64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+w"(vector))
#else
#define KEEP_IN_REGISTER(vector)
#endif

/* Weights, packed as integers of 16 bits times a scale for each class and block. Of a block, feature
   32 i + 16 h + l is packed at (l, i, h): 16 parts, l, that have pairs (h) of features each, so that a
   vector of a sample's features holds as many parts. */
typedef struct {
    char *coef;         /* (n_classes, n_features): as given, float64 if `is_wide`, else float32 */
    int32_t *pairs;     /* of integers (n_blocks, n_panels, 16, block / 32, CLASSES), aligned to LINE */
    double *scales;     /* (n_blocks, n_panels * CLASSES) */
    /* The bound on the errors of all ranges, and on that of each (1 + n_ranges, n_panels * CLASSES):
       `error` times the norm of the sample, and `norm` times that of what integers lose of it. */
    const double *error, *norm;
    /* (n_panels * CLASSES): what is added to the scores, and to the bounds. */
    const double *offset, *rounding;
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

INLINE int64_t
size_of(const Rows *x) /* a value of it, in bytes */
{
    return x->is_wide ? sizeof(double) : sizeof(float);
}

INLINE const char *
address(const Rows *x, int64_t row, int64_t feature)
{
    return x->values + (row * x->stride + feature) * size_of(x);
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
