# SPDX-License-Identifier: Apache-2.0
# Recordings of wires and what is fed back from them.
brownout_unit_test(test_lab_record LIBS lab)
target_include_directories(test_lab_record PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
brownout_unit_test(test_lab_replay LIBS lab)
target_include_directories(test_lab_replay PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
