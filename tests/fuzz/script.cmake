# SPDX-License-Identifier: Apache-2.0
# The sources are compiled in, so that they are instrumented for coverage; Lua itself is the system's library.
include(EmbedFile)
file(GLOB script_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/script/*.c)
add_executable(fuzz_script fuzz_script.c ${script_sources} ${PROJECT_SOURCE_DIR}/harness/scenario.c
	${PROJECT_SOURCE_DIR}/harness/override.c ${PROJECT_SOURCE_DIR}/harness/attach_check.c)
brownout_embed(fuzz_script ${PROJECT_SOURCE_DIR}/harness/prelude.lua bo_prelude_lua)
target_include_directories(fuzz_script PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(fuzz_script PRIVATE bo_fault bo_load bo_lab bo_slo bo_model bo_base PkgConfig::lua5_4)
target_compile_options(fuzz_script PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
target_link_options(fuzz_script PRIVATE -fsanitize=fuzzer,address,undefined)
