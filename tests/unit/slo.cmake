# SPDX-License-Identifier: Apache-2.0
# Budgets: language, statistics, metrics, verdicts.  They look inside src/slo, not only at its public header.
foreach(name stats parse check latency errors series groups leak long runtime recovery judge simulation)
	brownout_unit_test(test_slo_${name} LIBS slo SOURCES ${PROJECT_SOURCE_DIR}/tests/support/synth_run.c
		${PROJECT_SOURCE_DIR}/tests/support/synth_groups.c TIMEOUT 180)
	target_include_directories(test_slo_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()
