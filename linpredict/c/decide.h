/* Decide which class a sample's label is: by its scores, or in float64 between those in question. */
#pragma once
#include "score.h"

enum {
    ROUNDS = 4, /* in which questions are decided: the later ones only where the earlier leave doubt */
    /* In place of a label, where it is left open: */
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
    const Scoring *scoring; /* or NULL */
    Question *questions;    /* those that are open come first */
    int64_t *classes;       /* in question */
    double *totals;         /* of their scores, until now */
    double *scores;         /* of the ranges of this round: (ranges, classes in question) */
    int64_t n_questions, n_classes, first, end; /* ranges */
    int64_t n_taken;
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
    const int64_t n_parts = e->n_questions * (e->end - e->first);
    for (int64_t part; (part = next(&e->n_taken)) < n_parts;) {
        /* Range by range, so that questions find the weights of others in a cache. */
        const Question *q = e->questions + part % e->n_questions;
        const int64_t range = part / e->n_questions;
        for (int64_t i = q->first; i < q->end; i++)
            e->scores[range * e->n_classes + i] =
                range_of_score(e, q->sample, e->classes[i], e->first + range);
    }
}

/* How far the sum of a class may be off in a range, or in all, 0; `lost` is what integers lose of the
   sample. */
INLINE double
bound(const Model *m, int64_t range, int64_t class, double norm, double lost)
{
    const int64_t at = range * m->n_panels * CLASSES + class;
    return m->error[at] * norm + m->norm[at] * lost;
}

/* Leave those classes of a question that still may be the best, by the scores of the ranges that are
   added up until now, and by the sums of the others and the bound on their error. */
static void
exclude(const Exact *e, Question *q)
{
    const Model *m = e->model;
    const Scoring *s = e->scoring;
    double least = -INFINITY, most[q->end - q->first];
    for (int64_t i = q->first; i < q->end; i++) {
        const int64_t class = e->classes[i];
        double score = e->totals[i] + m->offset[class], norm, lost;
        /* What later sums to the total are rounded by, and those here: 2^-53 for each of 64 at most. */
        double error = m->rounding[class] + 0x1p-46 * fabs(e->totals[i]);
        for (int64_t range = e->end; range < m->n_ranges; range++) {
            const double *sums = sums_of(s, range, q->sample);
            norms(sums, s->row_size, &norm, &lost);
            score += sums[class];
            error += bound(m, range + 1, class, norm, lost);
        }
        least = fmax(least, score - error);
        most[i - q->first] = score + error;
    }
    int64_t n = q->first;
    for (int64_t i = q->first; i < q->end; i++)
        if (most[i - q->first] >= least) {
            e->totals[n] = e->totals[i];
            e->classes[n++] = e->classes[i];
        }
    q->end = n;
}

/* Label the samples of `questions` with the first of their classes that has the greatest score. With
   the sums of the ranges, the scores are computed as far as need be. Returns whether there was memory
   for it. */
static int
answer(const Model *m, const Rows *x, const Scoring *s, Question *questions, int64_t n_questions,
       int64_t *classes, int64_t n_threads, int64_t *labels)
{
    if (!n_questions)
        return 1;
    const int64_t n_classes = questions[n_questions - 1].end;
    const int64_t n_rounds = s ? smaller(ROUNDS, m->n_ranges) : 1;
    double *totals = calloc(n_classes, sizeof *totals);
    double *scores = malloc(n_classes * m->n_ranges * sizeof *scores);
    const int is_memory = totals && scores;
    Exact e = {{.work = take_questions}, m, x, s, questions, classes, totals, scores, n_questions,
               n_classes, 0, 0, 0};
    for (int64_t round = 0; is_memory && e.n_questions && round < n_rounds; round++) {
        e.first = begin(round, n_rounds, m->n_ranges);
        e.end = begin(round + 1, n_rounds, m->n_ranges);
        e.n_taken = 0;
        share(&e.job, n_threads);
        int64_t n_open = 0;
        for (int64_t i = 0; i < e.n_questions; i++) {
            Question q = questions[i];
            for (int64_t c = q.first; c < q.end; c++)
                for (int64_t range = 0; range < e.end - e.first; range++)
                    totals[c] += scores[range * n_classes + c];
            if (e.end < m->n_ranges)
                exclude(&e, &q);
            int64_t best = q.first;
            for (int64_t c = q.first; c < q.end; c++)
                if (totals[c] + m->offset[classes[c]] > totals[best] + m->offset[classes[best]])
                    best = c;
            labels[q.sample] = classes[best];
            if (q.end - q.first > 1)
                questions[n_open++] = q;
        }
        e.n_questions = n_open;
    }
    free(totals);
    free(scores);
    return is_memory;
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
    double norm, lost, least = -INFINITY; /* of the best score */
    norms(scores, s->row_size, &norm, &lost);
    if (!(norm >= 0x1p-40 && norm <= 0x1p60)) { /* what float32 holds, see screened.py */
        if (norm != 0 || !is_zero(m, &s->x, sample))
            *label = OUT_OF_RANGE;
        return 0;
    }
    for (int64_t c = 0; c < m->n_classes; c++)
        least = fmax(least, scores[c] - (bound(m, 0, c, norm, lost) + m->rounding[c]));
    int64_t n = 0;
    for (int64_t c = 0; c < m->n_classes; c++)
        if (scores[c] + (bound(m, 0, c, norm, lost) + m->rounding[c]) >= least) {
            if (n == most) {
                *label = TOO_MANY;
                return 0;
            }
            classes[n++] = c;
        }
    return n > 1 ? n : 0;
}
