# SPDX-License-Identifier: Apache-2.0
# What the options of `brownout run` do to real runs; see options/options.sh.
foreach(case overrides timeout timeout_in_setup guard_fires guard_holds guard_in_revert
		stop_early_fail stop_early_pass stop_early_waits_for_faults stop_early_must_not quiet json several several_one_wrong
		several_one_impossible repeat ctrl_c_several kill_parent bad_values)
	add_test(NAME e2e.options.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/options/options.sh ${case})
	set_tests_properties(e2e.options.${case} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services")
endforeach()
