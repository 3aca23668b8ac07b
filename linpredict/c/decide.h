/* Decide which class a sample's label is: by its scores, or in float64 between those in question. */
#pragma once
#include "score.h"

enum { /* in place of a label, where it is left open: */
    OUT_OF_RANGE = -1, /* float32 cannot hold the sample */
    TOO_MANY = -2,     /* classes are in question */
};

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
