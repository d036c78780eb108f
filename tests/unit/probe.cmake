# SPDX-License-Identifier: Apache-2.0
foreach(test pprof pprof2 prometheus groups track cgroup proc http sampler)
	brownout_unit_test(test_probe_${test} LIBS probe SOURCES ../support/httpd.c TIMEOUT 120)
	target_include_directories(test_probe_${test}
		PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()
