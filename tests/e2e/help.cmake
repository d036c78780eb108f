# SPDX-License-Identifier: Apache-2.0
add_test(NAME e2e.help COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/help.sh $<TARGET_FILE:brownout> ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e.help PROPERTIES LABELS e2e TIMEOUT 60)
add_test(NAME e2e.docs COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/docs.py $<TARGET_FILE:brownout> ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e.docs PROPERTIES LABELS e2e TIMEOUT 120)
add_test(NAME e2e.install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/install.sh ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e.install PROPERTIES LABELS e2e TIMEOUT 120)
