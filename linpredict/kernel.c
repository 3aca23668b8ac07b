/* Scores of a linear classifier: sums[sample, class] = sum over features of x * weight.

The weights are packed so that they are read once and in the order they lie in memory: blocks of
`block` features, in a block panels of one cache line of classes, in a panel the features, each
one line. A tile of up to ROWS samples × 1 to 8 panels keeps its sums in registers while it goes
through the features of a block, reading the samples where they are. Meanwhile it prefetches its
share of the next block, so that memory and arithmetic overlap. Samples are left to the CPU's own
prefetching: those of a tile often lie a power of two apart and fill the same sets of the cache, and
those of the next tile beside them took up to 9 % of the time.

Sums run over the features of a block in order, then over the blocks of a range in order: they do
not depend on the tile a sample is in, nor on the thread. Compiled with -DREAL=float or double. */
#include <stdint.h>
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
    SUMS = REGISTERS * 3 / 4,     /* registers that hold sums; weights and a sample take the others */
    ROWS = SUMS / VECTORS < 6 ? SUMS / VECTORS : 6, /* samples of a tile, at most */
    STEP = 8,                     /* features between two looks at what to prefetch */
    FEW = 4,   /* with fewer samples the CPU's own prefetching is 20 % faster */
    NEAR = 1024, /* bytes ahead for a single tile: up to 10 % faster than the next block */
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

/* Left alone, GCC reads a weight again for each sample, and large batches take 1.6 times as long. */
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

/* Multiply up to ROWS samples by all panels of a block, as many panels at once as registers hold. */
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

/* Add up the scores of ranges of features until none is left; each has sums of its own. A thread
   begins where it began in the last call, as its caches may still hold those weights: 2 to 7 % of
   the time up to batch size 32.

   weights   (n_blocks, n_panels, block, CLASSES), aligned to LINE, the last block filled up
   x         n_samples rows of n_features, `stride` values apart
   taken     shared by the n_threads that call this, zero at first: how many have begun, and for
             each range whether a thread has it
   sums      (n_ranges, n_samples, n_panels * CLASSES), aligned to LINE */
void
scores(const real *weights, int64_t n_panels, int64_t block, const real *x, int64_t stride,
       int64_t n_samples, int64_t n_features, int64_t n_ranges, int64_t n_threads, int64_t *taken,
       real *sums)
{
    const int64_t panel = block * CLASSES, n_blocks = (n_features + block - 1) / block;
    const int64_t n_tiles = (n_samples + ROWS - 1) / ROWS, row_size = n_panels * CLASSES;
    const int64_t thread = __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
    for (int64_t i = 0; n_samples && i < n_ranges; i++) {
        const int64_t range = (n_ranges * thread / n_threads + i) % n_ranges;
        if (__atomic_exchange_n(taken + 1 + range, 1, __ATOMIC_RELAXED))
            continue;
        real *of_range = sums + range * n_samples * row_size;
        memset(of_range, 0, n_samples * row_size * sizeof(real));
        for (int64_t b = n_blocks * range / n_ranges; b < n_blocks * (range + 1) / n_ranges; b++) {
            const real *w = weights + b * n_panels * panel;
            const int64_t left = n_features - b * block, n = left < block ? left : block;
            const int64_t share = panel * sizeof(real) / n_tiles;
            for (int64_t t = 0, row = 0, rows; t < n_tiles; t++, row += rows) {
                rows = (n_samples - row) / (n_tiles - t);
                const real *next = w + n_panels * panel;
                const int near = n_tiles == 1 && rows * 2 * VECTORS > SUMS; /* one panel at once */
                Ahead ahead = {
                    .weights = near ? (const char *)w + NEAR
                                    : (const char *)next + t * n_panels * share,
                    .lines = n_samples < FEW ? 0 : (STEP + n_tiles - 1) / n_tiles,
                    .bytes = LINE * STEP / n_tiles,
                    .share = share,
                };
                tiles(rows, w, n_panels, panel, x + row * stride + b * block, stride, n,
                      of_range + row * row_size, ahead);
            }
        }
    }
}
