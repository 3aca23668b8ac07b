/* Scores of a linear classifier: scores[sample, class] = sum over features of x * weight.

The weights are packed so that they are read once and in the order they lie in memory: blocks of
`block` features, in a block panels of one cache line of classes, in a panel the features, each
one line. A tile of up to ROWS samples × 1 to 8 panels keeps its sums in registers while it goes
through the features of a block, reading the samples where they are. Meanwhile it prefetches its
share of the next block, so that memory and arithmetic overlap. Samples are left to the CPU's own
prefetching: those of a tile often lie a power of two apart and fill the same sets of the cache, and
those of the next tile beside them took up to 9 % of the time.

Sums run over the features of a block in order, then over the blocks of a range in order: they do
not depend on the tile a sample is in, nor on the thread. Compiled with -DREAL=float or double. */
#include "pool.h"

#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined __AVX512F__
enum { VECTOR = 64, REGISTERS = 32 };
#elif defined __AVX__
enum { VECTOR = 32, REGISTERS = 16 };
#elif defined __aarch64__
enum { VECTOR = 16, REGISTERS = 32 };
#else
enum { VECTOR = 16, REGISTERS = 16 };
#endif

typedef REAL real;
typedef real vector __attribute__((vector_size(VECTOR)));

enum {
    LINE = 64,                    /* bytes: those of a panel's classes for one feature */
    CLASSES = LINE / sizeof(real),
    WIDTH = VECTOR / sizeof(real),
    VECTORS = LINE / VECTOR,      /* of a panel, for one feature */
    SUMS = REGISTERS * 3 / 4,     /* registers of sums; weights and a sample take the others */
    ROWS = SUMS / VECTORS < 6 ? SUMS / VECTORS : 6, /* samples of a tile, at most */
    STEP = 8,                     /* features between two looks at what to prefetch */
    FEW = 4,      /* with fewer samples the CPU's own prefetching is 20 % faster */
    NEAR = 1024,  /* bytes ahead for a single tile: up to 10 % faster than the next block */
    GROUP = 16,   /* tiles that a thread takes at once, at least; fewer only if there are fewer */
    AT_ONCE = 512, /* values that a thread sums over the ranges at once */
};

const int64_t vector_bits = 8 * VECTOR;
#if defined __clang__
const char compiler[] = "clang " __clang_version__;
#else
const char compiler[] = "gcc " __VERSION__;
#endif

typedef struct {
    const char *weights;          /* to prefetch during the first panel */
    int64_t lines, bytes;         /* at each step for each panel, and how far to go on after it */
    int64_t share;                /* bytes for each panel */
} Ahead;

#define UNROLLED _Pragma("GCC unroll 32") for

/* Left alone, GCC reads a weight again for each sample: large batches took 1.6 times as long. */
#if defined __x86_64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+v"(vector))
#elif defined __aarch64__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+w"(vector))
#else
#define KEEP_IN_REGISTER(vector)
#endif

static inline __attribute__((always_inline)) void
tile(const int rows, const int panels, const real *restrict w, int64_t panel, const real *x,
     int64_t stride, int64_t n_features, real *restrict sums, int64_t sums_stride, Ahead ahead)
{
    const int width = panels * VECTORS;
    vector sum[6][8 * VECTORS], weight[8 * VECTORS];
    UNROLLED (int r = 0; r < rows; r++)
        UNROLLED (int v = 0; v < width; v++)
            sum[r][v] = (vector){0};
    /* Two pointers and twice the stride address six samples: GCC computed one address for each. */
    const real *x3 = x + 3 * stride;
    __asm__("" : "+r"(x3));

#define MULTIPLY(k)                                                                               \
    UNROLLED (int v = 0; v < width; v++) {                                                        \
        const real *line = w + v / VECTORS * panel + (k) * CLASSES;                               \
        weight[v] = *(const vector *)(line + v % VECTORS * WIDTH);                                \
        if (rows > 1)                                                                             \
            KEEP_IN_REGISTER(weight[v]);                                                          \
    }                                                                                             \
    UNROLLED (int r = 0; r < rows; r++)                                                           \
        UNROLLED (int v = 0; v < width; v++)                                                      \
            sum[r][v] += (r < 3 ? x + r * stride : x3 + (r - 3) * stride)[k] * weight[v];

    int64_t k = 0;
    for (; k + STEP <= n_features; k += STEP) {
        for (int64_t i = 0; i < panels * ahead.lines; i++)
            __builtin_prefetch(ahead.weights + LINE * i);
        ahead.weights += panels * ahead.bytes;
        for (int i = 0; i < STEP; i += 2) { /* by two: GCC copies registers beyond that */
            MULTIPLY(0)
            MULTIPLY(1)
            x += 2;
            x3 += 2;
            w += 2 * CLASSES;
        }
    }
    for (; k < n_features; k++) {
        MULTIPLY(0)
        x++;
        x3++;
        w += CLASSES;
    }
    UNROLLED (int r = 0; r < rows; r++)
        UNROLLED (int v = 0; v < width; v++)
            *(vector *)(sums + r * sums_stride + v * WIDTH) += sum[r][v];
}

/* Multiply up to ROWS samples by all panels of a block, as many at once as registers hold. */
static void
tiles(int64_t rows, const real *w, int64_t n_panels, int64_t panel, const real *x, int64_t stride,
      int64_t n_features, real *sums, Ahead ahead)
{
    const real *end = w + n_panels * panel;
#define WIDE(r, n)                                                                                \
    while (r <= ROWS && r * n * VECTORS <= SUMS && w + n * panel <= end) {                        \
        tile(r, n, w, panel, x, stride, n_features, sums, n_panels * CLASSES, ahead);             \
        w += n * panel;                                                                           \
        sums += n * CLASSES;                                                                      \
        ahead.weights += n * ahead.share;                                                         \
    }
#define TILES(r) case r: WIDE(r, 8) WIDE(r, 4) WIDE(r, 2) WIDE(r, 1) break;
    switch (rows) { TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) }
}

/* Where a part of n begins, if n is divided evenly. */
static inline int64_t
begin(int64_t part, int64_t n_parts, int64_t n)
{
    return n * part / n_parts;
}

/* Take the next n of what threads share. */
static inline int64_t
next(int64_t *taken, int64_t n)
{
    return __atomic_fetch_add(taken, n, __ATOMIC_RELAXED);
}

/* Packed weights. */
typedef struct {
    real *lines; /* (n_blocks, n_panels, block, CLASSES), aligned to LINE */
    int64_t n_classes, n_features, n_panels, block, n_blocks, n_ranges;
} Model;

typedef struct {
    Job job;
    const Model *model;
    const real *coef;
    int64_t row, column; /* from a class and from a feature to the next, in values */
    int64_t n_taken;     /* blocks */
} Packing;

static void
take_blocks(Job *job)
{
    Packing *p = (Packing *)job;
    const Model m = *p->model;
    const int64_t size = m.n_panels * m.block; /* of a block, in lines */
    for (int64_t b; (b = next(&p->n_taken, 1)) < m.n_blocks;)
        for (int64_t i = 0; i < size; i++) {
            const int64_t class = i / m.block * CLASSES, feature = b * m.block + i % m.block;
            real *line = m.lines + (b * size + i) * CLASSES;
            for (int64_t c = 0; c < CLASSES; c++)
                line[c] = class + c < m.n_classes && feature < m.n_features
                              ? p->coef[(class + c) * p->row + feature * p->column] : 0;
        }
}

/* Pack weights; what fills up the last panel and block is 0. */
void
pack(const Model *model, const real *coef, int64_t row, int64_t column, int64_t n_threads)
{
    Packing packing = {{.work = take_blocks}, model, coef, row, column, 0};
    share(&packing.job, n_threads);
}

/* Scores are summed over each range of features by itself, then over the ranges. A thread takes a
   range for one group of tiles at a time: of all tiles, it took up to 2 % of a call until the last
   thread was done. */
typedef struct {
    Job job;
    const Model *model;
    const real *x;
    int64_t stride, n_samples, n_tiles, n_groups, n_threads;
    int64_t n_begun, n_done, n_summed; /* threads, parts, and values */
    char *taken;                       /* (n_ranges, n_groups) */
    real *sums;                        /* (n_ranges, n_samples, n_panels * CLASSES) */
    real *scores;                      /* (n_samples, n_panels * CLASSES) */
} Scoring;

static void
score(const Scoring *s, int64_t range, int64_t group)
{
    const Model m = *s->model;
    const int64_t panel = m.block * CLASSES, row_size = m.n_panels * CLASSES;
    const int64_t first_tile = begin(group, s->n_groups, s->n_tiles);
    const int64_t end_tile = begin(group + 1, s->n_groups, s->n_tiles);
    const int64_t n_tiles = end_tile - first_tile, share = panel * sizeof(real) / n_tiles;
    const int64_t first = begin(first_tile, s->n_tiles, s->n_samples);
    real *sums = s->sums + range * s->n_samples * row_size;
    const int64_t n_rows = begin(end_tile, s->n_tiles, s->n_samples) - first;
    memset(sums + first * row_size, 0, n_rows * row_size * sizeof(real));

    const int64_t end_block = begin(range + 1, m.n_ranges, m.n_blocks);
    for (int64_t b = begin(range, m.n_ranges, m.n_blocks); b < end_block; b++) {
        const real *w = m.lines + b * m.n_panels * panel, *end = w + m.n_panels * panel;
        const int64_t left = m.n_features - b * m.block, n = left < m.block ? left : m.block;
        for (int64_t t = 0; t < n_tiles; t++) {
            const int64_t row = begin(first_tile + t, s->n_tiles, s->n_samples);
            const int64_t rows = begin(first_tile + t + 1, s->n_tiles, s->n_samples) - row;
            const int near = s->n_tiles == 1 && rows * 2 * VECTORS > SUMS; /* one panel at once */
            Ahead ahead = {
                .weights = near ? (const char *)w + NEAR
                                : (const char *)end + t * m.n_panels * share,
                .lines = s->n_samples < FEW ? 0 : (STEP + n_tiles - 1) / n_tiles,
                .bytes = LINE * STEP / n_tiles,
                .share = share,
            };
            tiles(rows, w, m.n_panels, panel, s->x + row * s->stride + b * m.block, s->stride, n,
                  sums + row * row_size, ahead);
        }
    }
}

static void
take_parts(Job *job)
{
    Scoring *s = (Scoring *)job;
    const Model m = *s->model;
    const int64_t n_parts = m.n_ranges * s->n_groups;
    const int64_t thread = next(&s->n_begun, 1);
    for (int64_t i = 0; i < n_parts; i++) {
        /* It begins where it began in the last call, as its caches may still hold those weights:
           2 to 7 % of the time up to batch size 32. */
        const int64_t part = (begin(thread, s->n_threads, n_parts) + i) % n_parts;
        if (__atomic_exchange_n(&s->taken[part], 1, __ATOMIC_RELAXED))
            continue;
        score(s, part / s->n_groups, part % s->n_groups);
        __atomic_fetch_add(&s->n_done, 1, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&s->n_done, __ATOMIC_ACQUIRE) < n_parts)
        sched_yield();

    const int64_t n_values = s->n_samples * m.n_panels * CLASSES;
    for (int64_t first; (first = next(&s->n_summed, AT_ONCE)) < n_values;) {
        const int64_t left = n_values - first, n = left < AT_ONCE ? left : AT_ONCE;
        vector total[AT_ONCE / WIDTH] = {{0}};
        for (int64_t range = 0; range < m.n_ranges; range++)
            for (int64_t v = 0; v < n / WIDTH; v++)
                total[v] += ((const vector *)(s->sums + range * n_values + first))[v];
        memcpy(s->scores + first, total, n * sizeof(real));
    }
}

/* Compute the scores (n_samples, n_panels * CLASSES) of samples, rows of n_features `stride` values
   apart. Returns whether there was memory for the sums. */
int
scores(const Model *model, const real *x, int64_t stride, int64_t n_samples, int64_t n_threads,
       real *scores)
{
    const int64_t n_tiles = (n_samples + ROWS - 1) / ROWS;
    const int64_t n_groups = n_tiles < GROUP ? 1 : n_tiles / GROUP;
    Scoring s = {
        {.work = take_parts}, model, x, stride, n_samples, n_tiles, n_groups, n_threads,
        .taken = calloc(model->n_ranges, n_groups),
        .sums = aligned_alloc(LINE, model->n_ranges * n_samples * model->n_panels * LINE),
        .scores = scores,
    };
    const int enough = !n_samples || (s.taken && s.sums);
    if (enough && n_samples)
        share(&s.job, n_threads);
    free(s.taken);
    free(s.sums);
    return enough;
}
