/* SPDX-License-Identifier: Apache-2.0 */
/* model/dist.c — the distributions of delays, as quantiles.
 * Both drivers draw from the same table: netem is handed it, the wire reads it, so a distribution is
 * the same distribution on each.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <math.h>
#include <pthread.h>

#include "brownout/model/impair.h"

/* The widest that an int16_t in units of 1 / BO_DIST_SCALE can say. */
#define SIGMA_MAX 4.0
#define PARETO_SHAPE 3.0
#define BISECTIONS 60 /* halves an interval of 8 down to one unit in the last place */

const char *bo_dist_name(enum bo_dist dist)
{
	static const char *const names[BO_DIST_COUNT] = {
		[BO_DIST_UNIFORM] = "uniform", [BO_DIST_NORMAL] = "normal",
		[BO_DIST_PARETO] = "pareto",   [BO_DIST_PARETONORMAL] = "paretonormal",
		[BO_DIST_TABLE] = "table",
	};

	return (unsigned int)dist < BO_DIST_COUNT ? names[dist] : "?";
}

/** normal_quantile() - by bisection of erfc(3), which has no inverse in libm */
static double normal_quantile(double p)
{
	double low = -SIGMA_MAX, high = SIGMA_MAX;

	for (int i = 0; i < BISECTIONS; i++) {
		double middle = (low + high) / 2;

		if (erfc(-middle / sqrt(2)) / 2 < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/** pareto_quantile() - of scale 1, less its mean, in standard deviations */
static double pareto_quantile(double p)
{
	const double a = PARETO_SHAPE;
	double mean = a / (a - 1), deviation = sqrt(a / ((a - 1) * (a - 1) * (a - 2)));

	return p >= 1 ? SIGMA_MAX : (pow(1 - p, -1 / a) - mean) / deviation;
}

double bo_dist_quantile(enum bo_dist dist, double p)
{
	double q;

	switch (dist) {
	case BO_DIST_NORMAL:
		q = normal_quantile(p);
		break;
	case BO_DIST_PARETO:
		q = pareto_quantile(p);
		break;
	case BO_DIST_PARETONORMAL:
		q = normal_quantile(p) / 4 + pareto_quantile(p) * 3 / 4;
		break;
	default:
		return 2 * p - 1;
	}
	return fmin(fmax(q, -SIGMA_MAX), SIGMA_MAX);
}

void bo_dist_fill(enum bo_dist dist, struct bo_dist_table *ret)
{
	for (int i = 0; i < BO_DIST_TABLE_LEN; i++) {
		double q = bo_dist_quantile(dist, (i + 0.5) / BO_DIST_TABLE_LEN);

		ret->at[i] = (int16_t)fmin(rint(q * BO_DIST_SCALE), INT16_MAX);
	}
}

static struct bo_dist_table standard[BO_DIST_TABLE];

static void fill_standard(void)
{
	for (int dist = BO_DIST_NORMAL; dist < BO_DIST_TABLE; dist++)
		bo_dist_fill((enum bo_dist)dist, &standard[dist]);
}

const struct bo_dist_table *bo_dist_standard(enum bo_dist dist)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (dist <= BO_DIST_UNIFORM || dist >= BO_DIST_TABLE)
		return NULL;
	pthread_once(&once, fill_standard);
	return &standard[dist];
}
