# SPDX-License-Identifier: Apache-2.0
set(report_support ${PROJECT_SOURCE_DIR}/tests/support/report_run.c)

add_executable(report_samples ${PROJECT_SOURCE_DIR}/tests/support/report_samples.c ${report_support})
target_link_libraries(report_samples PRIVATE bo_report)

find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
	add_test(NAME unit.test_report_files COMMAND ${Python3_EXECUTABLE}
		${CMAKE_CURRENT_SOURCE_DIR}/check_report_files.py $<TARGET_FILE:report_samples>
		${PROJECT_SOURCE_DIR}/reports/schema/run.schema.json)
	set_tests_properties(unit.test_report_files PROPERTIES LABELS unit TIMEOUT 120 SKIP_RETURN_CODE 77)
	add_test(NAME unit.test_report_hlog COMMAND ${Python3_EXECUTABLE}
		${CMAKE_CURRENT_SOURCE_DIR}/check_hlog.py $<TARGET_FILE:report_samples>)
	set_tests_properties(unit.test_report_hlog PROPERTIES LABELS unit TIMEOUT 240 SKIP_RETURN_CODE 77)
endif()

brownout_unit_test(test_report_text LIBS report)
brownout_unit_test(test_report_json_run LIBS report SOURCES ${report_support})
target_compile_definitions(test_report_json_run PRIVATE REPORT_EXAMPLES="${PROJECT_SOURCE_DIR}/reports/examples")
brownout_unit_test(test_report_write LIBS report SOURCES ${report_support})
# The verbs are compiled in rather than linked: the rest of harness/ is not needed for them.
brownout_unit_test(test_report_console LIBS report slo SOURCES ${report_support}
	${PROJECT_SOURCE_DIR}/harness/console_table.c ${PROJECT_SOURCE_DIR}/harness/cmd_report.c
	${PROJECT_SOURCE_DIR}/harness/cmd_compare.c ${PROJECT_SOURCE_DIR}/harness/compare_sets.c)
foreach(test test_report_json_run test_report_write test_report_console)
	target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()
