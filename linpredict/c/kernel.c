/* Labels of a linear classifier: the class of the greatest sum over features of x * weight.

Scores are sums of products of integers of 16 bits. A bound on the error of each shows which classes
may be the best (`screened.py` has the proof), and where these are more than one, their scores are
computed in float64, from the weights as given.

The weights are packed so that they are read once and in the order they lie in memory: blocks of
`block` features, in a block panels of 16 classes, in a panel pairs of features, each pair one line of
the caches. A tile of up to ROWS samples × 1 to 4 panels keeps its sums in registers while it goes
through a part of a block. Meanwhile it prefetches its share of the next block, and between two parts
turns samples of the next tile into integers, so that memory and arithmetic overlap.

Sums run over the features of a part, exactly, in order over the parts of a block, in float32, then
over the blocks of a range and over the ranges, in float64: they do not depend on the tile a sample is
in, nor on the thread. */
#include "decide.h"
#include "pack.h"

const int64_t vector_bits = 8 * VECTOR;
#if defined __clang__
const char compiler[] = "clang " __clang_version__;
#else
const char compiler[] = "gcc " __VERSION__;
#endif

/* Label samples, or leave their labels open: of those that float32 cannot hold, and those with more
   than `most` classes in question. `scores` (n_samples, n_classes), if not NULL, is filled with what
   integers gave. Returns how many samples were decided in float64, or -1 where there is no memory. */
int64_t
label(const Model *m, const void *x, int64_t is_wide, int64_t stride, int64_t n_samples,
      int64_t most, int64_t n_threads, int64_t *labels, double *scores)
{
    if (!n_samples)
        return 0;
    const int64_t n_tiles = (n_samples + ROWS - 1) / ROWS;
    const int64_t n_groups = n_tiles < GROUP ? 1 : n_tiles / GROUP;
    const int64_t row_size = m->n_panels * CLASSES + 2 * EIGHT;
    Scoring s = {
        {.work = take_parts}, m, {x, is_wide, stride, n_samples},
        n_tiles, n_groups, row_size,
        .taken = calloc(m->n_ranges, n_groups),
        .sums = aligned_alloc(LINE, m->n_ranges * n_samples * row_size * sizeof(double)),
        .totals = aligned_alloc(LINE, n_samples * row_size * sizeof(double)),
    };
    Question *questions = malloc(n_samples * sizeof *questions + 1);
    int64_t *classes = malloc(n_samples * most * sizeof *classes + 1);
    int64_t n_questions = -1, n_classes = 0;
    if (s.taken && s.sums && s.totals && questions && classes) {
        share(&s.job, n_threads);
        s.job.work = take_sums;
        share(&s.job, m->n_ranges * n_samples * row_size < FEW_SUMS ? 1 : n_threads);
        n_questions = 0;
        for (int64_t i = 0; i < n_samples; i++) {
            double *total = s.totals + i * row_size;
            if (scores)
                memcpy(scores + i * m->n_classes, total, m->n_classes * sizeof *scores);
            const int64_t n = decide(&s, i, total, most, classes + n_classes, labels + i);
            if (n)
                questions[n_questions++] = (Question){i, n_classes, n_classes + n};
            n_classes += n;
        }
        if (!answer(m, &s.x, &s, questions, n_questions, classes, n_threads, labels))
            n_questions = -1;
    }
    free(s.taken);
    free(s.sums);
    free(s.totals);
    free(questions);
    free(classes);
    return n_questions;
}

/* Label each sample with the first of its classes in question that has the greatest score in float64,
   where sample i is that of question i. Returns whether there was memory for it. */
int
decide_exactly(const Model *m, const void *x, int64_t is_wide, int64_t stride, int64_t n_samples,
               Question *questions, int64_t *classes, int64_t n_threads, int64_t *labels)
{
    const Rows samples = {x, is_wide, stride, n_samples};
    return answer(m, &samples, NULL, questions, n_samples, classes, n_threads, labels);
}
