/* Score samples. Scores are summed over each range of features by itself, then over the ranges. A
   thread takes a range for one group of tiles at a time: of all tiles, it took up to 2 % of a call
   until the last thread was done. A row of sums has a place for each class, and eight for the
   squares of the sample. */
#pragma once
#include "tile.h"

enum {
    /* For which integers are read. With one more, 28 samples took as long with AVX-512, and 16 took
       18 % longer with AVX2, which widens them for half as many sums. */
    FEW_TILES = VECTORS < 2 ? 4 : 2,
    FEW = 4,      /* with fewer samples the CPU's own prefetching is 20 % faster, but for integers */
    NEAR = 1024,  /* bytes ahead for a single tile: up to 10 % faster than the next block */
    GROUP = 16,   /* tiles that a thread takes at once, at least; fewer only if there are fewer */
    LATER = 3,    /* rows ahead one is prefetched, too: 64 samples of float64 took 0.94 of the time */
    FEW_SUMS = 1 << 16, /* one thread adds them up: to share them would take as long */
};

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
start_copying(const Scoring *s, int64_t tile, int64_t block, float *to, int64_t n_times)
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
        .to_later = row + n_rows + LATER <= s->x.n ? LATER * s->x.stride : 0,
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

    float buffers[2][ROWS * STRIDE] __attribute__((aligned(LINE)));
    int current = 0;
    const int64_t first_block = begin(range, m.n_ranges, m.n_blocks);
    const int64_t end_block = begin(range + 1, m.n_ranges, m.n_blocks);
    Copying copying = {0};
    if (s->x.is_wide)
        copying = start_copying(s, first_tile, first_block, buffers[0], 1);
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
                                        buffers[!current],
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
