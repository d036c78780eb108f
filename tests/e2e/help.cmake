# SPDX-License-Identifier: Apache-2.0
add_test(NAME e2e.help COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/help.sh $<TARGET_FILE:brownout> ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e.help PROPERTIES LABELS e2e TIMEOUT 60)
add_test(NAME e2e.docs COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/docs.py $<TARGET_FILE:brownout> ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e.docs PROPERTIES LABELS e2e TIMEOUT 120)
