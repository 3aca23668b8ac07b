/* Pack weights. Beside these, squares: for each class and block of what is lost in integers, and of the
   weights in integers, and for each block of what its classes have in common. */
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
    double *lost, *packed;   /* squares (n_blocks, n_panels * CLASSES) */
    double *common;          /* squares (n_blocks) */
    int64_t n_taken;         /* blocks */
} Packing;

/* Where a feature of a block is packed: see `Model`. */
INLINE int64_t
place(int64_t feature, int64_t block)
{
    const int64_t part = feature % PARTS, pair = feature / OF_PAIRS, half = feature / PARTS % 2;
    return (part * (block / OF_PAIRS) + pair) * 2 + half;
}

/* Pack a panel of weights of a block; `w` is (block, CLASSES), by place. */
static IN_VECTORS void
pack_panel(int64_t block, const double *w, int32_t *to, double *scales, double *lost, double *packed)
{
    const int64_t of_part = block / PARTS;
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
    for (int64_t k = 0; k < block; k += 2, w += 2 * CLASSES, to += CLASSES)
        for (int c = 0; c < CLASSES; c++) {
            int32_t pair[2];
            for (int h = 0; h < 2; h++) {
                double nearest = w[h * CLASSES + c] * inverse[c] + shift - shift;
                nearest = nearest < GREATEST ? nearest : GREATEST;
                nearest = nearest > -GREATEST ? nearest : -GREATEST; /* NaN, too */
                const double product = nearest * scales[c], rest = w[h * CLASSES + c] - product;
                lost[c] += rest * rest;
                packed[c] += product * product;
                pair[h] = (int32_t)nearest;
            }
            to[c] = (pair[0] & 0xffff) | (int32_t)((uint32_t)pair[1] << 16);
        }
}

/* Copy the weights of a block. What all those of a feature have in common changes no label: find
   `common`, to be taken from them, where it makes most of their squares; else it is 0. */
INLINE void
copy_block(const int is_wide, const Packing *p, int64_t b, double *restrict common)
{
    const Model *m = p->model;
    const int64_t n = features(m, b);
    double sum[MOST] = {0}, square[MOST] = {0};
    for (int64_t c = 0; c < m->n_classes; c++) {
        const int64_t from = c * p->row + b * m->block * p->column;
        const int64_t to = c * m->n_features + b * m->block;
        for (int64_t k = 0; k < n; k++) {
            const double w = is_wide
                ? (((double *)m->coef)[to + k] = ((double *)p->coef)[from + k * p->column])
                : (((float *)m->coef)[to + k] = ((float *)p->coef)[from + k * p->column]);
            sum[k] += w;
            square[k] += w * w;
        }
    }
    for (int64_t k = 0; k < n; k++) {
        const int is_most = 2 * sum[k] * sum[k] > m->n_classes * square[k] && square[k] < INFINITY;
        common[k] = is_most ? sum[k] / m->n_classes : 0;
        p->common[b] += common[k] * common[k];
    }
}

static IN_VECTORS void
take_blocks(Job *job, int64_t thread)
{
    (void)thread;
    Packing *p = (Packing *)job;
    const Model m = *p->model;
    const Rows coef = {m.coef, m.is_wide, m.n_features, m.n_classes};
    for (int64_t b; (b = next(&p->n_taken)) < m.n_blocks;) {
        double common[MOST];
        if (m.is_wide)
            copy_block(1, p, b, common);
        else
            copy_block(0, p, b, common);
        for (int64_t first = 0; first < m.n_panels * CLASSES; first += CLASSES) {
            const int64_t at = b * m.n_panels * CLASSES + first;
            const int64_t n_classes = smaller(CLASSES, m.n_classes - first);
            double weights[MOST * CLASSES] = {0};
            for (int64_t k = 0; k < features(&m, b); k++) {
                double *to = weights + place(k, m.block) * CLASSES;
                for (int64_t c = 0; c < n_classes; c++)
                    to[c] = value(&coef, first + c, b * m.block + k) - common[k];
            }
            pack_panel(m.block, weights, m.pairs + at * m.block / 2, m.scales + at, p->lost + at,
                       p->packed + at);
        }
    }
}

/* Pack weights, and copy them; what fills up the last panel and block is 0. The squares begin at 0. */
void
pack(const Model *model, const void *coef, int64_t row, int64_t column, double *lost, double *packed,
     double *common, int64_t n_threads)
{
    Packing p = {{.work = take_blocks}, model, coef, row, column, lost, packed, common, 0};
    share(&p.job, n_threads);
}
