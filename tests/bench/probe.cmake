# SPDX-License-Identifier: Apache-2.0
pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET GLOBAL cmocka)
add_executable(sampler_bench ${CMAKE_CURRENT_SOURCE_DIR}/sampler_bench.c ${PROJECT_SOURCE_DIR}/tests/support/httpd.c)
target_include_directories(sampler_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
target_link_libraries(sampler_bench PRIVATE bo_probe PkgConfig::cmocka m)
