# SPDX-License-Identifier: Apache-2.0
# Several runs a side, from the examples of reports; see compare.sh.
add_test(NAME e2e.compare COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/compare.sh $<TARGET_FILE:brownout> ${PROJECT_SOURCE_DIR}/reports/examples)
set_tests_properties(e2e.compare PROPERTIES LABELS e2e TIMEOUT 60)
