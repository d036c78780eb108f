# SPDX-License-Identifier: Apache-2.0
foreach(test pprof pprof2 dump prometheus metrics groups track cgroup proc http sampler)
	brownout_unit_test(test_probe_${test} LIBS probe SOURCES ../support/httpd.c)
	target_include_directories(test_probe_${test}
		PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()

# Against a live Go program.
if(TARGET zoo)
	foreach(test agree census endurance)
		brownout_unit_test(test_probe_${test} LIBS probe SOURCES ../support/httpd.c)
		target_link_libraries(test_probe_${test} PRIVATE census_kit)
		target_include_directories(test_probe_${test} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
		target_compile_definitions(test_probe_${test} PRIVATE ZOO_DIR="${BROWNOUT_ZOO_DIR}")
		add_dependencies(test_probe_${test} zoo)
	endforeach()
	target_link_options(test_probe_census PRIVATE -Wl,--wrap=bo_census_attach)
	brownout_unit_test(test_probe_gotree LIBS probe)
	target_link_libraries(test_probe_gotree PRIVATE census_kit)
	target_compile_definitions(test_probe_gotree PRIVATE ZOO_DIR="${BROWNOUT_ZOO_DIR}")
	add_dependencies(test_probe_gotree zoo)
endif()
