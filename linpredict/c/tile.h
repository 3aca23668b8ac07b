/* Multiply the samples of a tile by a block of weights, and meanwhile copy those of the next. */
#pragma once
#include "samples.h"

/* Pairs of features between two looks at what to prefetch; with 8, batches took up to 11 % longer. */
enum { STEP = 4 };

typedef struct {
    const char *weights;          /* to prefetch during the first panel */
    int64_t lines, bytes;         /* at each step for each panel, and how far to go on after it */
    int64_t share;                /* bytes for each panel */
} Ahead;

/* Of `n_pairs` in each part of a block, `n_used` are features. */
INLINE void
tile(const int rows, const int panels, const int32_t *restrict weights, int64_t panel,
     const double *restrict scales, const Samples *restrict samples, int64_t n_pairs,
     int64_t n_used, double *restrict sums, int64_t sums_stride, Ahead ahead, Copying *copying)
{
    const int width = panels * VECTORS;
    Sums sum[6][4 * VECTORS];
    Weights weight[4 * VECTORS];
    float totals[6][4 * CLASSES] __attribute__((aligned(LINE)));

#define MULTIPLY                                                                                  \
    UNROLLED (int v = 0; v < width; v++)                                                          \
        weight[v] = load_pairs(weights + v / VECTORS * panel + v % VECTORS * WIDTH);              \
    UNROLLED (int r = 0; r < rows; r++)                                                           \
        UNROLLED (int v = 0; v < width; v++)                                                      \
            sum[r][v] = add_products(sum[r][v], weight[v], pairs + r * STRIDE);                   \
    pairs += PARTS;                                                                               \
    weights += CLASSES;

    for (int64_t part = 0; part < PARTS; part++) {
        const Pair *pairs = samples->pairs + part;
        UNROLLED (int r = 0; r < rows; r++)
            UNROLLED (int v = 0; v < width; v++)
                sum[r][v] = (Sums){0};
        int64_t k = 0;
        for (; k + STEP <= n_used; k += STEP) {
            /* Many lines go into the second cache: into the first, batches of 4 to 16 took a
               quarter longer. A few go into the first: 2 % faster. */
            if (ahead.lines == 1)
                UNROLLED (int i = 0; i < panels; i++)
                    __builtin_prefetch(ahead.weights + LINE * i);
            else
                for (int64_t i = 0; i < panels * ahead.lines; i++)
                    __builtin_prefetch(ahead.weights + LINE * i, 0, 2);
            ahead.weights += panels * ahead.bytes;
            prefetch_samples(copying);
            for (int i = 0; i < STEP; i += 2) { /* by two: GCC copies registers beyond that */
                MULTIPLY
                MULTIPLY
            }
        }
        for (; k < n_used; k++) {
            MULTIPLY
        }
        weights += (n_pairs - n_used) * CLASSES;
        UNROLLED (int r = 0; r < rows; r++)
            UNROLLED (int v = 0; v < width; v++) {
                vector *total = (vector *)(totals[r] + v * WIDTH);
                vector of_part = __builtin_convertvector(sum[r][v], vector)
                    * samples->scales[r * PARTS + part];
                KEEP_IN_REGISTER(of_part); /* so that all tiles round it */
                *total = part ? *total + of_part : of_part;
            }
        if (copying->n_rows && !--copying->wait)
            copy(copying);
    }
    /* By way of memory: GCC keeps no vector in a register that it converts to a wider one. */
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < panels * CLASSES; c += LANES)
            *(wide *)(sums + r * sums_stride + c) +=
                WIDE(*(const narrow *)(totals[r] + c)) * *(const wide *)(scales + c);
}

/* Tell whether a tile is to be had: its sums fit in registers. Where six sums are enough to keep a
   core busy, two panels at once would only take longer to compile. */
INLINE int
fits(int64_t rows, int64_t panels)
{
    return rows <= ROWS && rows * panels * VECTORS <= SUMS && (panels != 2 || VECTORS > 1);
}

/* Multiply up to ROWS samples by all panels of a block, as many at once as registers hold. */
#define AT_ONCE(r, n)                                                                             \
    for (; fits(r, n) && i + n <= n_panels; i += n) {                                             \
        tile(r, n, weights + i * panel, panel, scales + i * CLASSES, samples, n_pairs, n_used,    \
             sums + i * CLASSES, sums_stride, ahead, copying);                                    \
        ahead.weights += n * ahead.share;                                                         \
    }
#define TILES(r) case r: AT_ONCE(r, 4) AT_ONCE(r, 2) AT_ONCE(r, 1) break;

static void
tiles(int64_t rows, const int32_t *weights, const double *scales, int64_t n_panels, int64_t panel,
      const Samples *samples, int64_t n_pairs, int64_t n_used, double *sums, int64_t sums_stride,
      Ahead ahead, Copying *copying)
{
    int64_t i = 0;
    switch (rows) { TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) }
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
