# SPDX-License-Identifier: Apache-2.0
set(census_dir ${PROJECT_SOURCE_DIR}/src/probe/census)
foreach(test memory layout track diff access)
	brownout_unit_test(test_census_${test} LIBS census)
	target_include_directories(test_census_${test} PRIVATE ${census_dir})
endforeach()

brownout_unit_test(test_census_hostile LIBS census SOURCES ${PROJECT_SOURCE_DIR}/tests/census/world.c)
target_include_directories(test_census_hostile PRIVATE ${census_dir} ${PROJECT_SOURCE_DIR}/tests/census)

if(TARGET zoo)
	foreach(test live image permission)
		brownout_unit_test(test_census_${test} LIBS census)
		target_link_libraries(test_census_${test} PRIVATE census_kit)
		target_include_directories(test_census_${test} PRIVATE ${census_dir})
		target_compile_definitions(test_census_${test} PRIVATE ZOO_DIR="${BROWNOUT_ZOO_DIR}"
			ZOO_SOURCE="${PROJECT_SOURCE_DIR}/tests/census/zoo/main.go")
		add_dependencies(test_census_${test} zoo)
	endforeach()
	target_link_options(test_census_live PRIVATE -Wl,--wrap=bo_census_count)
endif()
