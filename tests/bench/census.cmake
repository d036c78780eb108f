# SPDX-License-Identifier: Apache-2.0
if(TARGET zoo)
	add_executable(census_bench ${CMAKE_CURRENT_SOURCE_DIR}/census_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/census_floor.c)
	target_link_libraries(census_bench PRIVATE bo_census bo_model census_kit m)
	target_compile_definitions(census_bench PRIVATE ZOO="${BROWNOUT_ZOO_DIR}/zoo")
	add_dependencies(census_bench zoo)
endif()
