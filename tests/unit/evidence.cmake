# SPDX-License-Identifier: Apache-2.0
# Compiled in rather than linked: the sampler is a fake, and the rest of harness/ is not needed.
if(TARGET zoo)
	pkg_check_modules(jansson REQUIRED IMPORTED_TARGET GLOBAL jansson)
	brownout_unit_test(test_harness_evidence LIBS report census model base SOURCES ${PROJECT_SOURCE_DIR}/harness/evidence.c
		${PROJECT_SOURCE_DIR}/harness/census_json.c)
	target_link_libraries(test_harness_evidence PRIVATE census_kit PkgConfig::jansson)
	target_include_directories(test_harness_evidence PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
	target_compile_definitions(test_harness_evidence PRIVATE ZOO_DIR="${BROWNOUT_ZOO_DIR}")
	add_dependencies(test_harness_evidence zoo)
endif()
