/* Pack weights. Beside these: how much the error of a class may grow with each block, as the sum of
   squares of weight times number of roundings, and with integers of what is lost besides. */
#pragma once
#include "model.h"

enum { GREATEST = 32767 }; /* integer */

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
