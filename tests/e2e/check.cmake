# SPDX-License-Identifier: Apache-2.0
add_test(NAME e2e.check COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check/run.sh $<TARGET_FILE:brownout>)
set_tests_properties(e2e.check PROPERTIES LABELS e2e TIMEOUT 300)
