/* SPDX-License-Identifier: MIT */
/*
 * unit — all unit tests; 1 if one failed.
 *
 *   unit [-v] [SUITE...]
 *
 * -v names each test.  TEST_SEED=N replaces the seeds of the random tests.
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/guard.h"
#include "tests/suites.h"

static CU_SuiteInfo suites[] = {
#define SUITE_ROW(noun) {#noun, NULL, NULL, NULL, NULL, noun##_tests},
	SUITES(SUITE_ROW)
#undef SUITE_ROW
		CU_SUITE_INFO_NULL,
};

/* Leaves only the suites named. */
static bool choose(int argc, char **argv)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		CU_pSuite suite = CU_get_suite(argv[i]);

		if (strcmp(argv[i], "-v") == 0)
			continue;
		if (!suite) {
			fprintf(stderr, "unit: no such suite: %s\n", argv[i]);
			return false;
		}
		if (!any)
			for (CU_SuiteInfo *s = suites; s->pName; s++)
				CU_set_suite_active(CU_get_suite(s->pName), CU_FALSE);
		CU_set_suite_active(suite, CU_TRUE);
		any = true;
	}
	return true;
}

int main(int argc, char **argv)
{
	CU_BasicRunMode mode =
		argc > 1 && strcmp(argv[1], "-v") == 0 ? CU_BRM_VERBOSE : CU_BRM_NORMAL;
	unsigned int run, failed;

	signal(SIGPIPE, SIG_IGN);
	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
		fprintf(stderr, "unit: %s\n", CU_get_error_msg());
		return 1;
	}
	if (!choose(argc, argv))
		return 2;
	CU_set_fail_on_inactive(CU_FALSE);
	CU_basic_set_mode(mode);
	CU_basic_run_tests();
	temp_end();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("%u passed, %u failed\n", run - failed, failed);
	return failed || run == 0;
}
