/* Multiply the samples of a tile by a block of weights, and meanwhile copy those of the next. */
#pragma once
#include "model.h"

enum {
    SUMS = REGISTERS * 3 / 4,     /* registers of sums; weights and a sample take the others */
    ROWS = SUMS / VECTORS < 6 ? SUMS / VECTORS : 6, /* samples of a tile, at most */
    STEP = 8,                     /* features between two looks at what to prefetch */
    STEPS = VECTORS < 2 ? 1 : 2,  /* between two looks at what to copy */
    STRIDE = MOST + CLASSES, /* of copied rows: a power of two would fill the same sets of caches */
};

/* Samples of float64 on their way into a buffer of float32: those of a tile, row by row. */
typedef struct {
    const double *from;           /* what is copied next */
    float *to;
    int64_t n_rows, n_at_once;    /* rows that are left; features to copy at once */
    int64_t n_features, feature;  /* of a row, and how far it is copied */
    int64_t stride, to_later;     /* values from row to row, and to one that is copied later */
} Copying;

/* Copy some more, and prefetch as much of the next row, and of a later one into the second cache. The
   last features of a row are copied along with some before them once more, so that all are copied by
   lines. */
static __attribute__((noinline)) void
copy(Copying *c)
{
    const int64_t n = c->n_at_once;
    const double *from = c->from;
    float *to = c->to, *end = to + n;
    if (n < EIGHT)
        for (; to < end; to++, from++)
            *to = *from;
    for (; to < end; to += EIGHT, from += EIGHT) {
        __builtin_prefetch(from + c->stride);
        __builtin_prefetch(from + c->to_later, 0, 2);
        UNROLLED (int i = 0; i < EIGHT; i += LANES)
            *(narrow *)(to + i) = NARROW(*(const wide *)(from + i));
    }
    int64_t step = smaller(n, c->n_features - n - c->feature), to_step = step;
    c->feature += step;
    if (!step) {
        step = c->stride - c->feature;
        to_step = STRIDE - c->feature;
        c->feature = 0;
        c->n_rows--;
    }
    c->from += step;
    c->to += to_step;
}

/* Add up the squares of a row, in LANES parts. */
INLINE void
add_squares(const float *x, int64_t n, double *squares)
{
    enum { CHAINS = 4 };
    vector sum[CHAINS] = {{0}};
    int64_t k = 0;
    for (; k + CHAINS * WIDTH <= n; k += CHAINS * WIDTH)
        UNROLLED (int i = 0; i < CHAINS; i++) {
            const vector values = *(const loose_vector *)(x + k + i * WIDTH);
            sum[i] += values * values;
        }
    float parts[WIDTH] __attribute__((aligned(LINE)));
    *(vector *)parts = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (; k < n; k++)
        parts[0] += x[k] * x[k];
    *(wide *)squares += WIDE(*(narrow *)parts) + WIDE(*(narrow *)(parts + LANES));
}

typedef struct {
    const char *weights;          /* to prefetch during the first panel */
    int64_t lines, bytes;         /* at each step for each panel, and how far to go on after it */
    int64_t share;                /* bytes for each panel */
} Ahead;

/* Multiply by weights in float32, or in integers and then by `scales`. */
INLINE void
tile(const int in_integers, const int rows, const int panels, const void *restrict weights,
     int64_t panel, const double *restrict scales, const float *restrict x, int64_t stride,
     int64_t n_features, double *restrict sums, int64_t sums_stride, Ahead ahead, Copying *copying)
{
    const float *w = weights;
    const int16_t *integers = weights;
    const int width = panels * VECTORS;
    vector sum[6][4 * VECTORS], weight[4 * VECTORS];
    float totals[6][4 * CLASSES] __attribute__((aligned(LINE)));
    /* Two pointers and twice the stride address six samples: GCC computed one address for each. */
    const float *x3 = x + 3 * stride;
    __asm__("" : "+r"(x3));

#define MULTIPLY(k)                                                                               \
    UNROLLED (int v = 0; v < width; v++) {                                                        \
        const int64_t at = v / VECTORS * panel + (k) * CLASSES + v % VECTORS * WIDTH;             \
        weight[v] = in_integers ? FLOATS(*(const shorts *)(integers + at))                        \
                                : *(const vector *)(w + at);                                      \
        if (rows > 1)                                                                             \
            KEEP_IN_REGISTER(weight[v]);                                                          \
    }                                                                                             \
    UNROLLED (int r = 0; r < rows; r++)                                                           \
        UNROLLED (int v = 0; v < width; v++)                                                      \
            sum[r][v] += (r < 3 ? x + r * stride : x3 + (r - 3) * stride)[k] * weight[v];

    for (int64_t k = 0, first = 0; first < n_features; first += PART) {
        const int64_t end = smaller(first + PART, n_features);
        UNROLLED (int r = 0; r < rows; r++)
            UNROLLED (int v = 0; v < width; v++)
                sum[r][v] = (vector){0};
        while (k + STEP <= end) {
            if (copying->n_rows) /* To call it in vain, with registers saved, cost float32 5 %. */
                copy(copying);
            for (int step = 0; step < STEPS && k + STEP <= end; step++, k += STEP) {
                /* Many lines go into the second cache: into the first, batches of 4 to 16 took a
                   quarter longer. A few go into the first: 2 % faster. */
                if (ahead.lines == 1)
                    UNROLLED (int i = 0; i < panels; i++)
                        __builtin_prefetch(ahead.weights + LINE * i);
                else
                    for (int64_t i = 0; i < panels * ahead.lines; i++)
                        __builtin_prefetch(ahead.weights + LINE * i, 0, 2);
                ahead.weights += panels * ahead.bytes;
                for (int i = 0; i < STEP; i += 2) { /* by two: GCC copies registers beyond that */
                    MULTIPLY(0)
                    MULTIPLY(1)
                    x += 2;
                    x3 += 2;
                    w += 2 * CLASSES;
                    integers += 2 * CLASSES;
                }
            }
        }
        for (; k < end; k++) {
            MULTIPLY(0)
            x++;
            x3++;
            w += CLASSES;
            integers += CLASSES;
        }
        UNROLLED (int r = 0; r < rows; r++)
            UNROLLED (int v = 0; v < width; v++) {
                vector *total = (vector *)(totals[r] + v * WIDTH);
                *total = first ? *total + sum[r][v] : sum[r][v];
            }
    }
    /* By way of memory: GCC keeps no vector in a register that it converts to a wider one. */
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < panels * CLASSES; c += LANES) {
            const wide total = WIDE(*(const narrow *)(totals[r] + c));
            *(wide *)(sums + r * sums_stride + c) +=
                in_integers ? total * *(const wide *)(scales + c) : total;
        }
}

/* Tell whether a tile is to be had: its sums fit in registers. Where six sums are enough to keep a
   core busy, two panels at once would only take longer to compile. */
INLINE int
fits(int64_t rows, int64_t panels)
{
    return rows <= ROWS && rows * panels * VECTORS <= SUMS && (panels != 2 || VECTORS > 1);
}

/* Multiply up to ROWS samples by all panels of a block, as many at once as registers hold. With
   `scales`, weights are integers. */
#define AT_ONCE(in_integers, r, n)                                                                \
    for (; fits(r, n) && i + n <= n_panels; i += n) {                                             \
        tile(in_integers, r, n, w + i * panel * (in_integers ? 2 : 4), panel,                     \
             in_integers ? scales + i * CLASSES : NULL, x, stride, n_features,                    \
             sums + i * CLASSES, sums_stride, ahead, copying);                                    \
        ahead.weights += n * ahead.share;                                                         \
    }
#define TILES(in_integers, r)                                                                     \
    case r: AT_ONCE(in_integers, r, 4) AT_ONCE(in_integers, r, 2) AT_ONCE(in_integers, r, 1) break;

static void
tiles(int64_t rows, const char *w, const double *scales, int64_t n_panels, int64_t panel,
      const float *x, int64_t stride, int64_t n_features, double *sums, int64_t sums_stride,
      Ahead ahead, Copying *copying)
{
    int64_t i = 0;
    if (scales)
        switch (rows) { TILES(1, 1) TILES(1, 2) TILES(1, 3) TILES(1, 4) TILES(1, 5) TILES(1, 6) }
    else
        switch (rows) { TILES(0, 1) TILES(0, 2) TILES(0, 3) TILES(0, 4) TILES(0, 5) TILES(0, 6) }
}

/* How often `tiles` goes through the features for so many rows. */
static int64_t
passes(int64_t rows, int64_t n_panels)
{
    int64_t n = 0;
    for (int64_t at_once = 4; at_once; at_once /= 2)
        if (fits(rows, at_once)) {
            n += n_panels / at_once;
            n_panels %= at_once;
        }
    return n;
}
