# SPDX-License-Identifier: Apache-2.0
# ONNX Runtime is a reference beside faceflow's own kernels: FACEFLOW_ONNXRUNTIME says whether it is built in. Programs open its library
# when they are first asked for it, and are not linked to it.
set(FACEFLOW_ONNXRUNTIME AUTO CACHE STRING "Build ONNX Runtime in as a reference: AUTO (where it is found), ON or OFF")
set_property(CACHE FACEFLOW_ONNXRUNTIME PROPERTY STRINGS AUTO ON OFF)
set(OnnxRuntime_FOUND OFF)
set(_ort_oldest 1.24)
if(FACEFLOW_ONNXRUNTIME STREQUAL "AUTO")
    find_package(OnnxRuntime ${_ort_oldest} QUIET)  # looked for anew in each configuration
elseif(FACEFLOW_ONNXRUNTIME)
    find_package(OnnxRuntime ${_ort_oldest} REQUIRED)
endif()
if(OnnxRuntime_FOUND)
    message(STATUS "With ONNX Runtime ${OnnxRuntime_VERSION}: ${OnnxRuntime_LIBRARY}")
else()
    message(STATUS "Without ONNX Runtime (FACEFLOW_ONNXRUNTIME=${FACEFLOW_ONNXRUNTIME}); `make setup ONNXRUNTIME=1` fetches it")
endif()

# What the loader looks for. In the build the one that was found comes before the system's, as it does beside an installed library.
if(OnnxRuntime_FOUND)
    set(_ort_soname libonnxruntime.so.1)
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${OnnxRuntime_LIBRARY} OUTPUT_VARIABLE _ort_header ERROR_QUIET)
    if(_ort_header MATCHES "SONAME +([^ \n]+)")
        set(_ort_soname ${CMAKE_MATCH_1})
    endif()
    # The C++ interface is told where the library's functions are, once that is open.
    set(FACEFLOW_ONNXRUNTIME_OPTIONS -isystem${OnnxRuntime_INCLUDE_DIR} -DORT_API_MANUAL_INIT)
    get_filename_component(_ort_folder ${OnnxRuntime_LIBRARY} DIRECTORY)
    if(NOT _ort_folder MATCHES "^/(usr/)?lib")
        list(APPEND CMAKE_BUILD_RPATH ${_ort_folder})
    endif()
endif()

# Only sources in folders named onnxruntime see its headers, and only one other knows whether there is one.
function(faceflow_use_onnxruntime)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/inference/onnxruntime/*.cpp)
    set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS ${FACEFLOW_ONNXRUNTIME_OPTIONS})
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/inference/make_runtime.cpp APPEND PROPERTY COMPILE_DEFINITIONS FACEFLOW_ONNXRUNTIME)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/inference/onnxruntime/library.cpp APPEND PROPERTY COMPILE_DEFINITIONS
        FACEFLOW_ONNXRUNTIME_SONAME="${_ort_soname}" FACEFLOW_ONNXRUNTIME_LIBRARY="${OnnxRuntime_LIBRARY}")
endfunction()
