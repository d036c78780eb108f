# SPDX-License-Identifier: Apache-2.0
# Bad weather: each case is one run of the real program; see weather/weather.sh.
foreach(case fine not_found not_executable exits_at_once never_ready dies_once_ready backend_dies subject_dies endless huge_scenario
		loud disk_full no_privilege ordinary_user no_hosts_file two_at_once ctrl_c ctrl_c_in_setup two_signals_at_once kill_conductor kill_keeper kill_both
		closed_descriptors few_descriptors few_descriptors_hard slow_comeback late_comeback comes_back_too_late no_comeback silent_keeper suspended)
	add_test(NAME e2e.weather.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/weather/weather.sh ${case})
	set_tests_properties(e2e.weather.${case} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>")
endforeach()
