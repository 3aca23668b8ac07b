/* Score samples. Scores are summed over each range of features by itself, then over the ranges. A
   thread takes a range for one group of tiles at a time: of all tiles, it took up to 2 % of a call
   until the last thread was done. A row of sums has a place for each class, and EIGHT each for the
   squares of the sample and of what integers lose of it. */
#pragma once
#include "tile.h"

enum {
    GROUP = 16,   /* tiles that a thread takes at once, at least; fewer only if there are fewer */
    FEW_SUMS = 1 << 16, /* one thread adds them up: to share them would take as long */
};

typedef struct {
    Job job;
    const Model *model;
    Rows x;
    int64_t n_tiles, n_groups, row_size;
    char *taken;    /* (n_ranges, n_groups) */
    double *sums;   /* (n_ranges, n_samples, row_size) */
    double *totals; /* (n_samples, row_size) */
    int64_t n_added; /* samples */
} Scoring;

INLINE double *
sums_of(const Scoring *s, int64_t range, int64_t sample)
{
    return s->sums + (range * s->x.n + sample) * s->row_size;
}

/* Begin to copy a tile's features of a block; its samples are those from `first` to `end`. */
static Copying
start_copying(const Scoring *s, double *sums, int64_t first, int64_t end, int64_t tile, int64_t block,
              Samples *to)
{
    const Model *m = s->model;
    const int64_t row = begin(tile, s->n_tiles, s->x.n);
    const int64_t n_rows = begin(tile + 1, s->n_tiles, s->x.n) - row;
    /* As many rows as the tile before it, or one more or less, are copied while that is multiplied. */
    const int64_t every = PARTS * passes(n_rows, m->n_panels) / n_rows;
    const int64_t n_steps = (every * m->block - 1) / (OF_PAIRS * STEP) + 1;
    const int64_t n_lines = features(m, block) * size_of(&s->x) / LINE;
    Copying copying = {
        .x = &s->x,
        .first = first,
        .end = end,
        .block = m->block,
        .row = row,
        .feature = block * m->block,
        .n_features = features(m, block),
        .n_rows = n_rows,
        .every = every,
        .wait = 1,
        .pairs = to->pairs,
        .scales = to->scales,
        .squares = sums + (row + 1) * s->row_size - 2 * EIGHT,
        .to_squares = s->row_size,
        .n_lines = (n_lines + n_steps - 1) / n_steps,
    };
    look_ahead(&copying);
    return copying;
}

static void
score(const Scoring *s, int64_t range, int64_t group)
{
    const Model m = *s->model;
    const int64_t panel = m.block / 2 * CLASSES, panel_bytes = panel * sizeof *m.pairs;
    const int64_t first_tile = begin(group, s->n_groups, s->n_tiles);
    const int64_t end_tile = begin(group + 1, s->n_groups, s->n_tiles);
    const int64_t n_tiles = end_tile - first_tile, share = panel_bytes / n_tiles;
    const int64_t first = begin(first_tile, s->n_tiles, s->x.n);
    const int64_t end = begin(end_tile, s->n_tiles, s->x.n);
    double *sums = sums_of(s, range, 0);
    memset(sums + first * s->row_size, 0, (end - first) * s->row_size * sizeof *sums);

    Samples buffers[2];
    int current = 0;
    const int64_t first_block = begin(range, m.n_ranges, m.n_blocks);
    const int64_t end_block = begin(range + 1, m.n_ranges, m.n_blocks);
    Copying copying = start_copying(s, sums, first, end, first_tile, first_block, buffers);
    for (int64_t b = first_block; b < end_block; b++) {
        const int32_t *weights = m.pairs + b * m.n_panels * panel;
        const int64_t n_pairs = m.block / OF_PAIRS; /* of each part */
        const int64_t n_used = (features(&m, b) + OF_PAIRS - 1) / OF_PAIRS;
        for (int64_t t = first_tile; t < end_tile; t++, current = !current) {
            while (copying.n_rows)
                copy(&copying);
            const int64_t row = begin(t, s->n_tiles, s->x.n);
            const int64_t rows = begin(t + 1, s->n_tiles, s->x.n) - row;
            const int is_last = t + 1 == end_tile;
            if (b + is_last < end_block)
                copying = start_copying(s, sums, first, end, is_last ? first_tile : t + 1,
                                        b + is_last, &buffers[!current]);
            const int32_t *next_block = weights + m.n_panels * panel;
            const Ahead ahead = {
                .weights = (const char *)next_block + (t - first_tile) * m.n_panels * share,
                .lines = (STEP + n_tiles - 1) / n_tiles,
                .bytes = LINE * STEP / n_tiles,
                .share = share,
            };
            tiles(rows, weights, m.scales + b * m.n_panels * CLASSES, m.n_panels, panel,
                  &buffers[current], n_pairs, n_used, sums + row * s->row_size, s->row_size, ahead,
                  &copying);
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
    for (int64_t i; (i = next(&s->n_added)) < s->x.n;) {
        double *total = s->totals + i * s->row_size;
        memset(total, 0, s->row_size * sizeof *total);
        for (int64_t range = 0; range < s->model->n_ranges; range++) {
            const double *sums = sums_of(s, range, i);
            for (int64_t c = 0; c < s->row_size; c += LANES)
                *(wide *)(total + c) += *(const wide *)(sums + c);
        }
    }
}

/* Find the norm of a sample's features, and of what integers lose of it, by its row of sums. */
INLINE void
norms(const double *sums, int64_t row_size, double *norm, double *lost)
{
    double square = 0, square_of_lost = 0;
    for (int i = 0; i < EIGHT; i++) {
        square += sums[row_size - 2 * EIGHT + i];
        square_of_lost += sums[row_size - EIGHT + i];
    }
    *norm = sqrt(square);
    *lost = sqrt(square_of_lost);
}
