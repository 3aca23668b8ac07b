/* Labels of a linear classifier: the class of the greatest sum over features of x * weight.

Scores are computed in float32. A bound on the error of each shows which classes may be the best
(`screened.py` has the proof), and where these are more than one, their scores are computed in
float64, from the weights as given.

The weights are packed so that they are read once and in the order they lie in memory: blocks of
`block` features, in a block panels of one cache line of classes, in a panel the features, each
one line. A tile of up to ROWS samples × 1 to 4 panels keeps its sums in registers while it goes
through the features of a block. Meanwhile it prefetches its share of the next block, and copies the
samples of the next tile into a buffer of float32, so that memory and arithmetic overlap.

Few samples take as long as it takes to read the weights. For them, these are packed in 16 bits, too:
as integers, times a scale for each class and block.

Sums run in order over the features of a part of a block and over its parts, in float32, then over
the blocks of a range and over the ranges, in float64: they do not depend on the tile a sample is in,
nor on the thread. */
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
    SUMS = REGISTERS * 3 / 4,     /* registers of sums; weights and a sample take the others */
    ROWS = SUMS / VECTORS < 6 ? SUMS / VECTORS : 6, /* samples of a tile, at most */
    STEP = 8,                     /* features between two looks at what to prefetch */
    STEPS = VECTORS < 2 ? 1 : 2,  /* between two looks at what to copy */
    EIGHT = 8,
    MOST = 512,                   /* features of a block, at most */
    PART = 128,                   /* features of a block that are summed by themselves */
    GREATEST = 32767,             /* integer */
    /* For which integers are read. With one more, 28 samples took as long with AVX-512, and 16 took
       18 % longer with AVX2, which widens them for half as many sums. */
    FEW_TILES = VECTORS < 2 ? 4 : 2,
    FEW = 4,      /* with fewer samples the CPU's own prefetching is 20 % faster, but for integers */
    NEAR = 1024,  /* bytes ahead for a single tile: up to 10 % faster than the next block */
    GROUP = 16,   /* tiles that a thread takes at once, at least; fewer only if there are fewer */
    FEW_SUMS = 1 << 16, /* one thread adds them up: to share them would take as long */
    /* In place of a label, where it is left open: */
    OUT_OF_RANGE = -1, /* float32 cannot hold the sample */
    TOO_MANY = -2,     /* classes are in question */
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

const int64_t vector_bits = 8 * VECTOR;
#if defined __clang__
const char compiler[] = "clang " __clang_version__;
#else
const char compiler[] = "gcc " __VERSION__;
#endif

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

/* Samples of float64 on their way into a buffer of float32: those of a tile, row by row. */
typedef struct {
    const double *from;           /* what is copied next */
    float *to;
    int64_t n_rows, n_at_once;    /* rows that are left; features to copy at once */
    int64_t n_features, feature;  /* of a row, and how far it is copied */
    int64_t stride, to_stride;    /* values from row to row */
} Copying;

/* Copy some more, and prefetch as much of the next row. The last features of a row are copied along
   with some before them once more, so that all are copied by lines. */
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
        UNROLLED (int i = 0; i < EIGHT; i += LANES)
            *(narrow *)(to + i) = NARROW(*(const wide *)(from + i));
    }
    int64_t step = smaller(n, c->n_features - n - c->feature), to_step = step;
    c->feature += step;
    if (!step) {
        step = c->stride - c->feature;
        to_step = c->to_stride - c->feature;
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

/* Packing. Beside the weights: how much the error of a class may grow with each block, as the sum of
   squares of weight times number of roundings, and with integers of what is lost besides. */
typedef struct {
    Job job;
    const Model *model;
    const char *coef;
    int64_t row, column; /* from a class and from a feature to the next, in values */
    double rounding;              /* relative error of one in float32 */
    double *growth, *growth_of_integers; /* (n_blocks, n_panels * CLASSES) */
    int64_t n_taken;              /* blocks */
} Packing;

/* How often the product of a block's feature is rounded, at most: weight and value as they become
   float32, product, sums of its part from there on, sums of parts. */
INLINE int64_t
roundings(int64_t k, int64_t block)
{
    const int64_t end = smaller(k / PART * PART + PART, block);
    return 3 + end - k + (block - 1) / PART;
}

/* Pack a panel of weights of a block in integers; `w` is (block, CLASSES). */
static IN_VECTORS void
pack_integers(const Packing *p, const double *w, int16_t *to, double *scales, double *growth)
{
    const int64_t block = p->model->block;
    const double shift = 0x1.8p52; /* a number of integers' size that is added to it is rounded */
    double inverse[CLASSES], most[CLASSES] = {0};
    for (const double *of = w; of < w + block * CLASSES; of += CLASSES)
        for (int c = 0; c < CLASSES; c++)
            most[c] = fabs(of[c]) > most[c] ? fabs(of[c]) : most[c];
    for (int c = 0; c < CLASSES; c++) {
        /* A number of float32: times an integer, it is exact. Beyond these bounds it is none. */
        const int is_normal = most[c] >= 0x1p-100 && most[c] <= 0x1p100;
        scales[c] = is_normal ? (float)(most[c] / GREATEST) : 0;
        inverse[c] = is_normal ? 1 / scales[c] : 0;
        growth[c] = 0;
    }
    for (int64_t k = 0; k < block; k++, w += CLASSES, to += CLASSES)
        for (int c = 0; c < CLASSES; c++) {
            double nearest = w[c] * inverse[c] + shift - shift;
            nearest = nearest < GREATEST ? nearest : GREATEST;
            nearest = nearest > -GREATEST ? nearest : -GREATEST; /* NaN, too */
            const double packed = nearest * scales[c];
            const double error =
                fabs(w[c] - packed) + p->rounding * roundings(k, block) * fabs(packed);
            growth[c] += error * error;
            to[c] = (int16_t)nearest;
        }
}

static void
take_blocks(Job *job, int64_t thread)
{
    (void)thread;
    Packing *p = (Packing *)job;
    const Model m = *p->model;
    for (int64_t b; (b = next(&p->n_taken)) < m.n_blocks;) {
        const int64_t n = features(&m, b);
        for (int64_t first = 0; first < m.n_panels * CLASSES; first += CLASSES) {
            const int64_t at = (b * m.n_panels * CLASSES + first) * m.block;
            double weights[MOST * CLASSES] = {0}, growth[CLASSES] = {0};
            for (int64_t c = 0; c < smaller(CLASSES, m.n_classes - first); c++) {
                const int64_t from = (first + c) * p->row + b * m.block * p->column;
                const int64_t to = (first + c) * m.n_features + b * m.block;
                for (int64_t k = 0; k < n; k++)
                    weights[k * CLASSES + c] = m.is_wide
                        ? (((double *)m.coef)[to + k] = ((double *)p->coef)[from + k * p->column])
                        : (((float *)m.coef)[to + k] = ((float *)p->coef)[from + k * p->column]);
            }
            for (int64_t k = 0; k < m.block; k++)
                for (int c = 0; c < CLASSES; c++) {
                    const double w = weights[k * CLASSES + c], rounded = w * roundings(k, m.block);
                    m.lines[at + k * CLASSES + c] = w;
                    growth[c] += rounded * rounded;
                }
            const int64_t class = b * m.n_panels * CLASSES + first;
            memcpy(p->growth + class, growth, sizeof growth);
            if (m.integers)
                pack_integers(p, weights, m.integers + at, m.scales + class,
                              p->growth_of_integers + class);
        }
    }
}

/* Pack weights, and copy them; what fills up the last panel and block is 0. */
void
pack(const Model *model, const void *coef, int64_t row, int64_t column, double rounding,
     double *growth, double *growth_of_integers, int64_t n_threads)
{
    Packing p = {
        {.work = take_blocks}, model, coef, row, column, rounding, growth, growth_of_integers, 0,
    };
    share(&p.job, n_threads);
}

/* Scoring. Scores are summed over each range of features by itself, then over the ranges. A thread
   takes a range for one group of tiles at a time: of all tiles, it took up to 2 % of a call until
   the last thread was done. A row of sums has a place for each class, and eight for the squares of
   the sample. */
typedef struct {
    Job job;
    const Model *model;
    Rows x;
    int64_t in_integers; /* weights are read */
    int64_t n_tiles, n_groups, row_size;
    char *taken;  /* (n_ranges, n_groups) */
    double *sums; /* (n_ranges, n_samples, row_size); added up, in those of the first range */
    int64_t n_added; /* samples */
} Scoring;

/* Begin to copy a tile's features of a block; it may be done in so many times. */
static Copying
start_copying(const Scoring *s, int64_t tile, int64_t block, float *to, int64_t to_stride,
              int64_t n_times)
{
    const int64_t row = begin(tile, s->n_tiles, s->x.n), n = features(s->model, block);
    const int64_t n_rows = begin(tile + 1, s->n_tiles, s->x.n) - row;
    int64_t n_at_once = smaller(n, EIGHT);
    while (n_at_once + EIGHT <= n && n_rows * ((n - 1) / n_at_once + 1) > n_times)
        n_at_once += EIGHT;
    return (Copying){
        .from = (const double *)address(&s->x, row, block * s->model->block),
        .to = to,
        .n_rows = n_rows,
        .n_at_once = n_at_once,
        .n_features = n,
        .stride = s->x.stride,
        .to_stride = to_stride,
    };
}

static void
score(const Scoring *s, int64_t range, int64_t group)
{
    const Model m = *s->model;
    const int64_t panel = m.block * CLASSES;
    const int64_t first_tile = begin(group, s->n_groups, s->n_tiles);
    const int64_t end_tile = begin(group + 1, s->n_groups, s->n_tiles);
    const int64_t n_tiles = end_tile - first_tile, size = s->in_integers ? 2 : 4;
    const int64_t bytes_each = panel * size / n_tiles, lines = STEP * CLASSES * size / LINE;
    const int64_t first = begin(first_tile, s->n_tiles, s->x.n);
    const int64_t n_rows = begin(end_tile, s->n_tiles, s->x.n) - first;
    double *sums = s->sums + range * s->x.n * s->row_size;
    memset(sums + first * s->row_size, 0, n_rows * s->row_size * sizeof *sums);

    /* Rows are not a power of two apart, so that they do not fill the same sets of the cache. */
    enum { STRIDE = MOST + CLASSES };
    float buffers[2][ROWS * STRIDE] __attribute__((aligned(LINE)));
    int current = 0;
    const int64_t first_block = begin(range, m.n_ranges, m.n_blocks);
    const int64_t end_block = begin(range + 1, m.n_ranges, m.n_blocks);
    Copying copying = {0};
    if (s->x.is_wide)
        copying = start_copying(s, first_tile, first_block, buffers[0], STRIDE, 1);
    for (int64_t b = first_block; b < end_block; b++) {
        const int64_t at = b * m.n_panels * panel;
        const char *w = s->in_integers ? (char *)(m.integers + at) : (char *)(m.lines + at);
        const double *scales = s->in_integers ? m.scales + b * m.n_panels * CLASSES : NULL;
        const int64_t n = features(&m, b);
        for (int64_t t = first_tile; t < end_tile; t++, current = !current) {
            while (copying.n_rows)
                copy(&copying);
            const int64_t row = begin(t, s->n_tiles, s->x.n);
            const int64_t rows = begin(t + 1, s->n_tiles, s->x.n) - row;
            const int64_t stride = s->x.is_wide ? STRIDE : s->x.stride;
            const float *x = s->x.is_wide ? buffers[current]
                                          : (const float *)address(&s->x, row, b * m.block);
            const int64_t next_block = t + 1 < end_tile ? b : b + 1;
            if (s->x.is_wide && next_block < end_block)
                copying = start_copying(s, t + 1 < end_tile ? t + 1 : first_tile, next_block,
                                        buffers[!current], STRIDE,
                                        n / (STEP * STEPS) * passes(rows, m.n_panels));
            const int near = s->n_tiles == 1 && rows * 2 * VECTORS > SUMS; /* one panel at once */
            const Ahead ahead = {
                .weights = near ? w + NEAR
                                : w + m.n_panels * (panel * size + (t - first_tile) * bytes_each),
                .lines = s->x.n < FEW && !s->in_integers ? 0 : (lines + n_tiles - 1) / n_tiles,
                .bytes = LINE * lines / n_tiles,
                .share = bytes_each,
            };
            tiles(rows, w, scales, m.n_panels, panel, x, stride, n, sums + row * s->row_size,
                  s->row_size, ahead, &copying);
            /* Now that they are in the cache: earlier, 1,024 samples of float32 took a third more. */
            for (int64_t i = 0; i < rows; i++)
                add_squares(x + i * stride, n, sums + (row + i + 1) * s->row_size - EIGHT);
        }
    }
}

static void
take_parts(Job *job, int64_t thread)
{
    Scoring *s = (Scoring *)job;
    const int64_t n_parts = s->model->n_ranges * s->n_groups;
    for (int64_t i = 0; i < n_parts; i++) {
        /* It begins where it began in the last call, as its caches may still hold those weights:
           2 to 7 % of the time up to batch size 32. */
        const int64_t part = (begin(thread, job->n_threads, n_parts) + i) % n_parts;
        if (__atomic_load_n(&s->taken[part], __ATOMIC_RELAXED)
            || __atomic_exchange_n(&s->taken[part], 1, __ATOMIC_RELAXED))
            continue;
        score(s, part / s->n_groups, part % s->n_groups);
    }
}

/* Add up the sums of the ranges. */
static void
take_sums(Job *job, int64_t thread)
{
    (void)thread;
    Scoring *s = (Scoring *)job;
    const int64_t to_next = s->x.n * s->row_size;
    for (int64_t i; (i = next(&s->n_added)) < s->x.n;) {
        double *total = s->sums + i * s->row_size;
        for (int64_t range = 1; range < s->model->n_ranges; range++)
            for (int64_t c = 0; c < s->row_size; c += LANES)
                *(wide *)(total + c) += *(const wide *)(total + c + range * to_next);
    }
}

/* Deciding. */
typedef struct {
    int64_t sample, first, end; /* its classes in question, among those of all samples */
} Question;

typedef struct {
    Job job;
    const Model *model;
    const Rows *x;
    const Question *questions;
    const int64_t *classes;
    int64_t n_questions, n_taken;
    double *scores; /* (classes in question, n_ranges) */
} Exact;

/* Add up a range of features of a score in float64, always in the same order. Each product is rounded
   before it is added, also where the CPU could do both at once: all CPUs find the same. */
static double
range_of_score(const Exact *e, int64_t sample, int64_t class, int64_t range)
{
    const Model *m = e->model;
    const Rows coef = {m->coef, m->is_wide, m->n_features, m->n_classes};
    wide sum[EIGHT / LANES] = {{0}};
    double rest = 0;
    const int64_t end = begin(range + 1, m->n_ranges, m->n_blocks);
    for (int64_t b = begin(range, m->n_ranges, m->n_blocks); b < end; b++) {
        const int64_t first = b * m->block, n = features(m, b);
        int64_t k = 0;
        for (; k + EIGHT <= n; k += EIGHT)
            UNROLLED (int i = 0; i < EIGHT / LANES; i++) {
                wide product = several(&coef, class, first + k + i * LANES);
                product *= several(e->x, sample, first + k + i * LANES);
                KEEP_IN_REGISTER(product);
                sum[i] += product;
            }
        for (; k < n; k++) {
            double product = value(&coef, class, first + k) * value(e->x, sample, first + k);
            KEEP_IN_REGISTER(product);
            rest += product;
        }
    }
    for (int i = 0; i < EIGHT / LANES; i++)
        for (int l = 0; l < LANES; l++)
            rest += sum[i][l];
    return rest;
}

static void
take_questions(Job *job, int64_t thread)
{
    (void)thread;
    Exact *e = (Exact *)job;
    const int64_t n_ranges = e->model->n_ranges, n_parts = e->n_questions * n_ranges;
    for (int64_t part; (part = next(&e->n_taken)) < n_parts;) {
        /* Range by range, so that questions find the weights of others in a cache. */
        const Question *q = e->questions + part % e->n_questions;
        const int64_t range = part / e->n_questions;
        for (int64_t i = q->first; i < q->end; i++)
            e->scores[i * n_ranges + range] = range_of_score(e, q->sample, e->classes[i], range);
    }
}

/* Label the samples of `questions` with the first of their classes that has the greatest score.
   Returns whether there was memory for it. */
static int
answer(const Model *m, const Rows *x, const Question *questions, int64_t n_questions,
       const int64_t *classes, int64_t n_threads, int64_t *labels)
{
    const int64_t n_classes = n_questions ? questions[n_questions - 1].end : 0;
    double *scores = malloc(n_classes * m->n_ranges * sizeof *scores + 1);
    if (!scores)
        return 0;
    Exact e = {{.work = take_questions}, m, x, questions, classes, n_questions, 0, scores};
    if (n_questions)
        share(&e.job, n_threads);
    for (const Question *q = questions; q < questions + n_questions; q++) {
        double best = -INFINITY;
        for (int64_t i = q->first; i < q->end; i++) {
            double total = 0;
            for (int64_t range = 0; range < m->n_ranges; range++)
                total += scores[i * m->n_ranges + range];
            total += m->offset[classes[i]];
            if (i == q->first || total > best) {
                best = total;
                labels[q->sample] = classes[i];
            }
        }
    }
    free(scores);
    return 1;
}

/* The first of the greatest, where NaN is above every number, as for numpy.argmax. */
static int64_t
argmax(const double *values, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n && values[best] == values[best]; i++)
        if (!(values[i] <= values[best]))
            best = i;
    return best;
}

static int
is_zero(const Model *m, const Rows *x, int64_t sample)
{
    for (int64_t k = 0; k < m->n_features; k++)
        if (value(x, sample, k) != 0)
            return 0;
    return 1;
}

/* Label a sample by its scores, or find which classes are in question; returns how many. */
static int64_t
decide(const Scoring *s, int64_t sample, double *scores, int64_t most, int64_t *classes,
       int64_t *label)
{
    const Model *m = s->model;
    for (int64_t c = 0; c < m->n_classes; c++)
        scores[c] = m->offset[c] == -INFINITY ? -INFINITY : scores[c] + m->offset[c];
    *label = argmax(scores, m->n_classes);
    double square = 0;
    for (int i = 1; i <= EIGHT; i++)
        square += scores[s->row_size - i];
    if (!(square >= 0x1p-80 && square <= 0x1p120)) { /* what float32 holds, see screened.py */
        if (square != 0 || !is_zero(m, &s->x, sample))
            *label = OUT_OF_RANGE;
        return 0;
    }
    const double norm = sqrt(square), *error = s->in_integers ? m->error_of_integers : m->error;
    double least = -INFINITY; /* of the best score */
    for (int64_t c = 0; c < m->n_classes; c++)
        least = fmax(least, scores[c] - (error[c] * norm + m->rounding[c]));
    int64_t n = 0;
    for (int64_t c = 0; c < m->n_classes; c++)
        if (scores[c] + (error[c] * norm + m->rounding[c]) >= least) {
            if (n == most) {
                *label = TOO_MANY;
                return 0;
            }
            classes[n++] = c;
        }
    return n > 1 ? n : 0;
}

/* Label samples, or leave their labels open: of those that float32 cannot hold, and those with more
   than `most` classes in question. `scores` (n_samples, n_classes), if not NULL, is filled with what
   float32 gave. Returns how many samples were decided in float64, or -1 where there is no memory. */
int64_t
label(const Model *m, const void *x, int64_t is_wide, int64_t stride, int64_t n_samples,
      int64_t most, int64_t n_threads, int64_t *labels, double *scores)
{
    if (!n_samples)
        return 0;
    const int64_t n_tiles = (n_samples + ROWS - 1) / ROWS;
    const int64_t n_groups = n_tiles < GROUP ? 1 : n_tiles / GROUP;
    const int64_t row_size = m->n_panels * CLASSES + EIGHT;
    Scoring s = {
        {.work = take_parts}, m, {x, is_wide, stride, n_samples},
        m->integers && n_tiles <= FEW_TILES, n_tiles, n_groups, row_size,
        .taken = calloc(m->n_ranges, n_groups),
        .sums = aligned_alloc(LINE, m->n_ranges * n_samples * row_size * sizeof(double) + LINE),
    };
    Question *questions = malloc(n_samples * sizeof *questions + 1);
    int64_t *classes = malloc(n_samples * most * sizeof *classes + 1);
    int64_t n_questions = -1, n_classes = 0;
    if (s.taken && s.sums && questions && classes) {
        share(&s.job, n_threads);
        s.job.work = take_sums;
        share(&s.job, m->n_ranges * n_samples * row_size < FEW_SUMS ? 1 : n_threads);
        n_questions = 0;
        for (int64_t i = 0; i < n_samples; i++) {
            double *total = s.sums + i * row_size;
            if (scores)
                memcpy(scores + i * m->n_classes, total, m->n_classes * sizeof *scores);
            const int64_t n = decide(&s, i, total, most, classes + n_classes, labels + i);
            if (n)
                questions[n_questions++] = (Question){i, n_classes, n_classes + n};
            n_classes += n;
        }
        if (!answer(m, &s.x, questions, n_questions, classes, n_threads, labels))
            n_questions = -1;
    }
    free(s.taken);
    free(s.sums);
    free(questions);
    free(classes);
    return n_questions;
}

/* Label each sample with the first of the classes in question that has the greatest score in float64;
   `in_question` is (n_samples, n_classes), with one class at least for each sample. Returns whether
   there was memory for it. */
int
decide_exactly(const Model *m, const void *x, int64_t is_wide, int64_t stride, int64_t n_samples,
               const char *in_question, int64_t n_threads, int64_t *labels)
{
    const Rows samples = {x, is_wide, stride, n_samples};
    Question *questions = malloc(n_samples * sizeof *questions + 1);
    int64_t *classes = malloc(n_samples * m->n_classes * sizeof *classes + 1);
    int done = 0;
    if (questions && classes) {
        int64_t n = 0;
        for (int64_t i = 0; i < n_samples; i++) {
            questions[i] = (Question){i, n, n};
            for (int64_t c = 0; c < m->n_classes; c++)
                if (in_question[i * m->n_classes + c])
                    classes[n++] = c;
            questions[i].end = n;
        }
        done = answer(m, &samples, questions, n_samples, classes, n_threads, labels);
    }
    free(questions);
    free(classes);
    return done;
}
