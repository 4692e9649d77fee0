# SPDX-License-Identifier: Apache-2.0
# Thin names for what one does often; the work is in tools/, CMakePresets.json and bench/.
PRESET ?= release
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
GPU    ?= 0
# What compares with ONNX Runtime asks for it; nothing else needs it.
ONNXRUNTIME ?= $(if $(filter test bench coverage,$(MAKECMDGOALS)),1,0)
# Tests of the service use a browser and Prometheus.
WEB ?= $(if $(filter test,$(MAKECMDGOALS)),1,0)

.DEFAULT_GOAL := help
.PHONY: help setup build demo serve page test bench coverage lint clean install package

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## install what the build needs and fetch models and the demo clip (ONNXRUNTIME=1: and ONNX Runtime; GPU=1: with its CUDA provider; WEB=1: and a browser and Prometheus, for tests)
	@GPU=$(GPU) ONNXRUNTIME=$(ONNXRUNTIME) WEB=$(WEB) tools/setup.sh

build: setup ## build into build/release (PRESET=debug, asan, tsan or cuda for others)
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) -j$(JOBS)

demo: build ## follow the faces of the demo clip; the result is in demo-out/
	build/$(PRESET)/faceflow run assets/demo.mp4 --out demo-out

serve: build ## serve the demo clip as a camera, with a page at http://127.0.0.1:8080/
	build/$(PRESET)/faceflow serve demo=assets/demo.mp4 --loop

page: ## rebuild the page of `faceflow serve` from web/ into src/serve/page (needs Node 18; the rest of the build needs none)
	cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build

test: build ## run all tests
	ctest --preset $(PRESET) -j2

bench: build ## measure
	bench/run.sh

coverage: setup ## print line and branch coverage of each layer
	@tools/coverage.sh

lint: ## check formatting, layers and clang-tidy (which needs a build)
	@tools/lint.sh

install: build ## install under PREFIX (/usr/local)
	cmake --install build/$(PRESET) --prefix $(PREFIX)

package: build ## make a Debian package in build/package, without the weights that are for research only
	cd build/$(PRESET) && cpack -B ../package

clean: ## remove what was built; models and clips stay
	rm -rf build demo-out .cache
