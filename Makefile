# SPDX-License-Identifier: Apache-2.0
# A thin front: everything is built by CMake (CMakePresets.json), in build/<preset>.
#   make            build                      make demo     the 30-second tour, both verdicts
#   make test       every test there is        make bench    what the harness itself costs
#   make matrix     the census against every Go release there is
#   make fuzz       FUZZ_SECONDS per target    make install  DESTDIR and PREFIX are heeded
#   make format     clang-format the C         make clean    remove build/
.DELETE_ON_ERROR:
.PHONY: all build demo test matrix bench fuzz install format clean deps-demo deps-test deps-bench

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

all: build

deps-demo:
	@cmake/deps.sh demo

deps-test:
	@cmake/deps.sh test

deps-bench:
	@cmake/deps.sh bench

# configure and build one preset quietly (preset, targets); the log is shown when it fails
define cmake-build
@mkdir -p build
@echo "building ($(1))"
@cmake --preset $(1) >build/$(1).log 2>&1 || { cat build/$(1).log; exit 1; }
@cmake --build --preset $(1) -j $(JOBS) $(if $(2),--target $(2)) >build/$(1).log 2>&1 || { tail -n 100 build/$(1).log; exit 1; }
endef

# The program and the services, not the tests: this is what somebody who tries it waits for.
build: deps-demo
	$(call cmake-build,release,brownout services)

demo: deps-demo
	$(call cmake-build,release,brownout demo-services)
	@scenarios/smoke/demo.sh build/release

# One run of ctest over all trees, so that its summary is the whole truth.
test: deps-test
	$(call cmake-build,dev)
	$(call cmake-build,asan-ubsan)
	$(call cmake-build,tsan)
	$(call cmake-build,clang)
	@cmake -P cmake/JoinTests.cmake
	@ctest --test-dir build/all --output-on-failure --no-tests=error -j $(JOBS) --output-junit junit.xml

matrix: deps-test
	$(call cmake-build,release,census_matrix version_facts)
	@cmake --build --preset release --target matrix

bench: deps-bench
	$(call cmake-build,release)
	@for b in build/release/tests/bench/*_bench; do echo "== $${b##*/}"; "$$b" || exit; done

fuzz:
	@cmake/deps.sh fuzz
	$(call cmake-build,fuzz)
	@cmake/fuzz.sh build/fuzz $(FUZZ_SECONDS)

install: deps-demo
	$(call cmake-build,release,brownout brownout-census)
	@cmake --install build/release --prefix $(PREFIX)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build
