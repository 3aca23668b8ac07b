/* Turn the samples of a tile into integers, while another tile is multiplied. */
#pragma once
#include "products.h"

enum {
    SUMS = REGISTERS * 3 / 4,     /* registers of sums; weights and a sample take the others */
    ROWS = SUMS / VECTORS < 6 ? SUMS / VECTORS : 6, /* samples of a tile, at most */
    /* Pairs from row to row: a power of two would fill the same sets of caches. */
    STRIDE = MOST / 2 + PARTS,
    OF_PART = 32700,              /* the norm of a sample's part in integers, at most; see pack.h */
    LATER = 3, /* rows ahead one is prefetched: without it, 64 samples took 1.26 times as long */
};

/* The samples of a tile for one block, as packed weights: each part has a scale of its own. */
typedef struct {
    Pair pairs[ROWS * STRIDE] __attribute__((aligned(LINE)));
    float scales[ROWS * PARTS] __attribute__((aligned(LINE)));
} Samples;

/* Samples on their way: row by row of a tile, in the order of a group's tiles and of blocks. */
typedef struct {
    const Rows *x;
    int64_t first, end, block;    /* rows of the group, and features of a block */
    int64_t row, feature;         /* where the next row begins */
    int64_t n_features;           /* of it */
    int64_t n_rows;               /* of the tile that are left */
    int64_t every, wait;          /* parts of a block from row to row, and to the next */
    Pair *pairs;
    float *scales;
    double *squares;              /* EIGHT of the row, and EIGHT of what integers lose of it */
    int64_t to_squares;           /* from row to row */
    const char *near, *later, *end_of_near; /* what is prefetched next */
    int64_t n_lines;              /* of it at once */
} Copying;

/* Turn n features, whole OF_PAIRS, into integers. `squares` of each part become those of what is lost,
   in units of its scale. */
INLINE void
pack_row(const float *x, int64_t n, float *squares, Pair *pairs, float *scales)
{
    const vector shift = (vector){0} + 0x1.8p23f; /* what is added to it is rounded to an integer */
    UNROLLED (int v = 0; v < PARTS; v += WIDTH) {
        /* Not less than 2^-70, so that nothing that counts underflows. */
        const vector scale = root(*(vector *)(squares + v)) * (1.0001f / OF_PART) + 0x1p-70f;
        const vector inverse = 1 / scale;
        vector lost[2] = {{0}};
        for (int64_t k = 0; k < n; k += OF_PAIRS) {
            vector shifted[2];
            UNROLLED (int h = 0; h < 2; h++) {
                const vector exact = *(const vector *)(x + k + h * PARTS + v) * inverse;
                shifted[h] = exact + shift;
                const vector rest = exact - (shifted[h] - shift);
                lost[h] += rest * rest;
            }
            store_pairs(pairs + k / 2 + v, shifted[0], shifted[1]);
        }
        *(vector *)(scales + v) = scale;
        *(vector *)(squares + v) = lost[0] + lost[1];
    }
}

/* Where the row begins that is copied so many after the next. */
INLINE const char *
row_after(const Copying *c, int64_t n)
{
    int64_t row = c->row + n, feature = c->feature;
    for (; row >= c->end; row -= c->end - c->first)
        feature += c->block;
    return address(c->x, row, feature);
}

/* Begin to prefetch the next row, and into the second cache a later one. */
INLINE void
look_ahead(Copying *c)
{
    c->near = row_after(c, 0);
    c->end_of_near = c->near + c->n_features * size_of(c->x);
    c->later = row_after(c, LATER);
}

INLINE void
prefetch_samples(Copying *c)
{
    if (c->near < c->end_of_near)
        for (int64_t i = 0; i < c->n_lines; i++, c->near += LINE, c->later += LINE) {
            __builtin_prefetch(c->near);
            __builtin_prefetch(c->later, 0, 2);
        }
}

/* Copy a row. */
static __attribute__((noinline)) void
copy(Copying *c)
{
    enum { N = PARTS / LANES };
    float x[MOST] __attribute__((aligned(LINE))), squares[PARTS] __attribute__((aligned(LINE)));
    const int64_t n = c->n_features, end = (n + OF_PAIRS - 1) / OF_PAIRS * OF_PAIRS;
    narrow sum[2 * N] = {{0}};
    for (int64_t k = 0; k < end; k += OF_PAIRS) {
        if (k + OF_PAIRS > n)
            for (int i = 0; i < OF_PAIRS; i++)
                x[k + i] = k + i < n ? value(c->x, c->row, c->feature + k + i) : 0;
        else if (c->x->is_wide)
            UNROLLED (int i = 0; i < OF_PAIRS; i += LANES)
                *(narrow *)(x + k + i) = NARROW(several(c->x, c->row, c->feature + k + i));
        else
            memcpy(x + k, address(c->x, c->row, c->feature + k), OF_PAIRS * sizeof *x);
        UNROLLED (int i = 0; i < 2 * N; i++) {
            const narrow values = *(const narrow *)(x + k + i * LANES);
            sum[i] += values * values;
        }
    }
    UNROLLED (int i = 0; i < N; i++) {
        *(narrow *)(squares + i * LANES) = sum[i] + sum[N + i];
        *(wide *)(c->squares + i * LANES % EIGHT) += WIDE(*(narrow *)(squares + i * LANES));
    }
    pack_row(x, end, squares, c->pairs, c->scales);
    UNROLLED (int i = 0; i < PARTS; i += LANES) {
        const wide scale = WIDE(*(narrow *)(c->scales + i));
        *(wide *)(c->squares + EIGHT + i % EIGHT) += scale * scale * WIDE(*(narrow *)(squares + i));
    }
    c->row++;
    c->n_rows--;
    c->wait = c->every;
    c->pairs += STRIDE;
    c->scales += PARTS;
    c->squares += c->to_squares;
    look_ahead(c);
}
