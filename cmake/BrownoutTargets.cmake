# SPDX-License-Identifier: Apache-2.0
# Warnings, sanitizers and the helpers that every folder's CMakeLists.txt uses.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

option(BROWNOUT_WERROR "Treat warnings as errors" ON)
set(BROWNOUT_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them (address,undefined or thread)")

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
	-Wpointer-arith -Wwrite-strings -Wundef -fno-common)
# Messages and names are cut to their fixed buffers on purpose; snprintf(3) never overruns them.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	add_compile_options(-Wno-format-truncation)
endif()
if(BROWNOUT_WERROR)
	add_compile_options(-Werror)
endif()
if(BROWNOUT_SANITIZE)
	add_compile_options(-fsanitize=${BROWNOUT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	add_link_options(-fsanitize=${BROWNOUT_SANITIZE})
endif()

# brownout_library(NAME folder [DEPS ...] [PKG ...] SOURCES ...) - one static library per folder of src/
function(brownout_library name)
	cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PKG" ${ARGN})
	add_library(bo_${name} STATIC ${arg_SOURCES})
	target_include_directories(bo_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
	foreach(dep ${arg_DEPS})
		target_link_libraries(bo_${name} PUBLIC bo_${dep})
	endforeach()
	foreach(pkg ${arg_PKG})
		string(MAKE_C_IDENTIFIER ${pkg} id)
		pkg_check_modules(${id} REQUIRED IMPORTED_TARGET GLOBAL ${pkg})
		target_link_libraries(bo_${name} PUBLIC PkgConfig::${id})
	endforeach()
	target_link_libraries(bo_${name} PUBLIC Threads::Threads)
endfunction()

# brownout_unit_test(NAME LIBS lib ...) - tests/unit/NAME.c linked with cmocka and bo_<lib>
function(brownout_unit_test name)
	cmake_parse_arguments(arg "" "" "LIBS;SOURCES" ${ARGN})
	pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET GLOBAL cmocka)
	add_executable(${name} ${name}.c ${arg_SOURCES})
	foreach(lib ${arg_LIBS})
		target_link_libraries(${name} PRIVATE bo_${lib})
	endforeach()
	target_link_libraries(${name} PRIVATE PkgConfig::cmocka m)
	add_test(NAME unit.${name} COMMAND ${name})
	# Against hanging only: on a busy machine a sanitizer takes its time.
	set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 360 SKIP_RETURN_CODE 77)
endfunction()
