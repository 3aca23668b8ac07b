/* Pack weights. Beside these, three squares for each class and block: of what is lost in integers, of
   the weights in integers, and of the weights as given. */
#pragma once
#include "model.h"

enum {
    GREATEST = 32767, /* integer */
    /* The norm of a part of a class in integers, at most. Times that of a sample's, 32,700, it is less
       than 2^31, also after rounding, which adds 3 to each: no part's sum is too great. */
    OF_PART_OF_CLASS = 65600,
};

typedef struct {
    Job job;
    const Model *model;
    const char *coef;
    int64_t row, column;     /* from a class and from a feature to the next, in values */
    double *lost, *packed, *given; /* squares (n_blocks, n_panels * CLASSES) */
    int64_t n_taken;         /* blocks */
} Packing;

/* Where a feature of a block is packed: see `Model`. */
INLINE int64_t
place(int64_t feature, int64_t block)
{
    const int64_t part = feature % CLASSES, pair = feature / TWO_LINES, half = feature / CLASSES % 2;
    return (part * (block / TWO_LINES) + pair) * 2 + half;
}

/* Pack a panel of weights of a block; `w` is (block, CLASSES), by place. */
static IN_VECTORS void
pack_panel(int64_t block, const double *w, int16_t *to, double *scales, double *lost, double *packed)
{
    const int64_t of_part = block / CLASSES;
    const double shift = 0x1.8p52; /* a number of integers' size that is added to it is rounded */
    double inverse[CLASSES], most[CLASSES] = {0}, square[CLASSES] = {0}, greatest[CLASSES] = {0};
    for (int64_t k = 0; k < block; k++)
        for (int c = 0; c < CLASSES; c++) {
            const double size = fabs(w[k * CLASSES + c]);
            most[c] = size > most[c] ? size : most[c];
            square[c] = k % of_part ? square[c] + size * size : size * size; /* of the part so far */
            greatest[c] = square[c] > greatest[c] ? square[c] : greatest[c];
        }
    for (int c = 0; c < CLASSES; c++) {
        const double scale = fmax(most[c] / GREATEST, sqrt(greatest[c]) / OF_PART_OF_CLASS);
        const int is_normal = most[c] >= 0x1p-100 && most[c] <= 0x1p100; /* else, all is lost */
        scales[c] = is_normal ? scale : 0;
        inverse[c] = is_normal ? 1 / scale : 0;
    }
    for (int64_t k = 0; k < block; k++, w += CLASSES)
        for (int c = 0; c < CLASSES; c++) {
            double nearest = w[c] * inverse[c] + shift - shift;
            nearest = nearest < GREATEST ? nearest : GREATEST;
            nearest = nearest > -GREATEST ? nearest : -GREATEST; /* NaN, too */
            const double product = nearest * scales[c], rest = w[c] - product;
            lost[c] += rest * rest;
            packed[c] += product * product;
            to[(k / 2 * CLASSES + c) * 2 + k % 2] = (int16_t)nearest;
        }
}

/* What all weights of a feature have in common changes no label: take it from them, where it makes
   most of them. */
static double
common(const Packing *p, int64_t feature)
{
    const Model *m = p->model;
    const Rows coef = {p->coef, m->is_wide, p->row, m->n_classes};
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < m->n_classes; c++) {
        const double w = value(&coef, c, feature * p->column);
        sum += w;
        squares += w * w;
    }
    return 2 * sum * sum > m->n_classes * squares && squares < INFINITY ? sum / m->n_classes : 0;
}

static void
take_blocks(Job *job, int64_t thread)
{
    (void)thread;
    Packing *p = (Packing *)job;
    const Model m = *p->model;
    const Rows coef = {p->coef, m.is_wide, p->row, m.n_classes};
    for (int64_t b; (b = next(&p->n_taken)) < m.n_blocks;) {
        const int64_t n = features(&m, b);
        double of_all[MOST];
        for (int64_t k = 0; k < n; k++)
            of_all[k] = common(p, b * m.block + k);
        for (int64_t first = 0; first < m.n_panels * CLASSES; first += CLASSES) {
            const int64_t at = b * m.n_panels * CLASSES + first;
            double weights[MOST * CLASSES] = {0};
            for (int64_t c = first; c < smaller(first + CLASSES, m.n_classes); c++)
                for (int64_t k = 0; k < n; k++) {
                    const int64_t feature = b * m.block + k;
                    const double w = value(&coef, c, feature * p->column);
                    if (m.is_wide)
                        ((double *)m.coef)[c * m.n_features + feature] = w;
                    else
                        ((float *)m.coef)[c * m.n_features + feature] = w;
                    p->given[at + c - first] += w * w;
                    weights[place(k, m.block) * CLASSES + c - first] = w - of_all[k];
                }
            pack_panel(m.block, weights, m.integers + at * m.block, m.scales + at, p->lost + at,
                       p->packed + at);
        }
    }
}

/* Pack weights, and copy them; what fills up the last panel and block is 0. The squares begin at 0. */
void
pack(const Model *model, const void *coef, int64_t row, int64_t column, double *lost, double *packed,
     double *given, int64_t n_threads)
{
    Packing p = {{.work = take_blocks}, model, coef, row, column, lost, packed, given, 0};
    share(&p.job, n_threads);
}
