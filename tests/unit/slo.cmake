# SPDX-License-Identifier: Apache-2.0
# Budgets: language, statistics, metrics, verdicts.  They look inside src/slo, not only at its public header.
foreach(name stats rank repeat guard seq shift parse check latency errors series groups leak long runtime recovery judge routes
		sustained must burn timeout warn simulation)
	brownout_unit_test(test_slo_${name} LIBS slo SOURCES ${PROJECT_SOURCE_DIR}/tests/support/synth_run.c
		${PROJECT_SOURCE_DIR}/tests/support/synth_groups.c)
	target_include_directories(test_slo_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()
target_sources(test_slo_simulation PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/slo_sim.c)
