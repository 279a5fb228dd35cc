/* The hooks of points.h, in builds that have them. */
#include "libshm/points.h"

#ifdef MBSHM_POINTS
void (*mbshm_point_hook)(const char *name);
enum mbshm_mutation mbshm_mutation;
#endif

/* Without them this file would be empty, which C does not have. */
_Static_assert(MUTATION_NONE == 0, "a handle starts without a mistake");
