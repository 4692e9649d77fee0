# SPDX-License-Identifier: Apache-2.0
# Finds ONNX Runtime: OnnxRuntime_LIBRARY, OnnxRuntime_INCLUDE_DIR, OnnxRuntime_VERSION. In this order, so that one a user already
# has wins:
#   1. ONNXRUNTIME_ROOT (cache variable or environment): an unpacked official release or a build tree's install
#   2. a system one: its CMake package, else headers and library on the default paths
#   3. the one that `make setup ONNXRUNTIME=1` staged from npm: with CUDA (assets/onnxruntime-gpu, from GPU=1) when the CUDA device is
#      built, else the one for CPUs (assets/onnxruntime)
if(NOT ONNXRUNTIME_ROOT AND DEFINED ENV{ONNXRUNTIME_ROOT})
    set(ONNXRUNTIME_ROOT $ENV{ONNXRUNTIME_ROOT})
endif()
set(_ort_assets ${CMAKE_CURRENT_LIST_DIR}/../assets)
cmake_path(NORMAL_PATH _ort_assets)
set(_ort_staged ${_ort_assets}/onnxruntime/lib)
if(FACEFLOW_CUDA AND EXISTS ${_ort_assets}/onnxruntime-gpu/lib/libonnxruntime.so)
    set(_ort_staged ${_ort_assets}/onnxruntime-gpu/lib)
endif()
# What was staged when the build was last configured may have been the other one, or be gone.
if(OnnxRuntime_LIBRARY MATCHES "^${_ort_assets}" AND NOT OnnxRuntime_LIBRARY MATCHES "^${_ort_staged}/")
    unset(OnnxRuntime_LIBRARY CACHE)
endif()
foreach(_ort_found OnnxRuntime_LIBRARY OnnxRuntime_INCLUDE_DIR)
    if(NOT EXISTS "${${_ort_found}}")
        unset(${_ort_found} CACHE)
    endif()
endforeach()
set(_ort_header_dirs include include/onnxruntime include/onnxruntime/core/session)

if(ONNXRUNTIME_ROOT)
    find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_cxx_api.h PATHS ${ONNXRUNTIME_ROOT}
              PATH_SUFFIXES ${_ort_header_dirs} NO_DEFAULT_PATH)
    find_library(OnnxRuntime_LIBRARY onnxruntime PATHS ${ONNXRUNTIME_ROOT}
                 PATH_SUFFIXES lib lib64 NO_DEFAULT_PATH)
else()
    find_package(onnxruntime CONFIG QUIET)
    if(TARGET onnxruntime::onnxruntime)
        get_target_property(OnnxRuntime_INCLUDE_DIR onnxruntime::onnxruntime INTERFACE_INCLUDE_DIRECTORIES)
        get_target_property(OnnxRuntime_LIBRARY onnxruntime::onnxruntime LOCATION)
    endif()
    find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_cxx_api.h PATH_SUFFIXES onnxruntime onnxruntime/core/session)
    find_library(OnnxRuntime_LIBRARY onnxruntime)
    if(NOT OnnxRuntime_INCLUDE_DIR OR NOT OnnxRuntime_LIBRARY)
        unset(OnnxRuntime_INCLUDE_DIR CACHE)
        unset(OnnxRuntime_LIBRARY CACHE)
        find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_cxx_api.h PATHS ${_ort_assets}/onnxruntime/include NO_DEFAULT_PATH)
        find_library(OnnxRuntime_LIBRARY onnxruntime PATHS ${_ort_staged} NO_DEFAULT_PATH)
    endif()
endif()

if(OnnxRuntime_INCLUDE_DIR AND EXISTS ${OnnxRuntime_INCLUDE_DIR}/onnxruntime_c_api.h)
    file(STRINGS ${OnnxRuntime_INCLUDE_DIR}/onnxruntime_c_api.h _ort_api REGEX "^#define ORT_API_VERSION [0-9]+")
    string(REGEX MATCH "[0-9]+" _ort_api "${_ort_api}")
    set(OnnxRuntime_VERSION 1.${_ort_api})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
    REQUIRED_VARS OnnxRuntime_LIBRARY OnnxRuntime_INCLUDE_DIR VERSION_VAR OnnxRuntime_VERSION
    REASON_FAILURE_MESSAGE "`make setup ONNXRUNTIME=1` fetches it, or set ONNXRUNTIME_ROOT to an unpacked release")
