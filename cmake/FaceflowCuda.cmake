# SPDX-License-Identifier: Apache-2.0
# CUDA is used where a toolkit (nvcc, its headers and the static runtime) is found: FACEFLOW_CUDA says so, and may be set
# either way. The static runtime opens the driver's libcuda.so.1 when a device is first asked for, so that a program built with
# CUDA starts on a machine that has none.
find_package(CUDAToolkit 12.4 QUIET)
if(CUDAToolkit_FOUND AND CUDAToolkit_NVCC_EXECUTABLE AND TARGET CUDA::cudart_static)
    set(_faceflow_cuda_found ON)
else()
    set(_faceflow_cuda_found OFF)
endif()
option(FACEFLOW_CUDA "Build the CUDA device (found: ${_faceflow_cuda_found})" ${_faceflow_cuda_found})
if(FACEFLOW_CUDA AND NOT _faceflow_cuda_found)
    message(FATAL_ERROR "FACEFLOW_CUDA is on, but no CUDA toolkit of version 12.4 or later was found; put nvcc on the PATH, "
                        "set CUDAToolkit_ROOT, or turn FACEFLOW_CUDA off")
endif()

# CUPTI's headers lie in a folder of their own in some toolkits; without them there is no --verify-ledger on CUDA.
find_path(FACEFLOW_CUPTI_INCLUDE cupti.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_ROOT}/extras/CUPTI/include)
mark_as_advanced(FACEFLOW_CUPTI_INCLUDE)
if(FACEFLOW_CUPTI_INCLUDE)
    list(APPEND CUDAToolkit_INCLUDE_DIRS ${FACEFLOW_CUPTI_INCLUDE})
    list(REMOVE_DUPLICATES CUDAToolkit_INCLUDE_DIRS)
endif()

# Machine code for each generation since Turing that the toolkit knows (Blackwell from 12.8 on), and PTX of the newest of them for
# cards to come. 8.6 and 8.9 run what is compiled for 8.0: kernels find nothing new there. FACEFLOW_CUDA_ARCHITECTURES=90 builds
# faster, for one card.
if(CUDAToolkit_VERSION VERSION_LESS 12.8)
    set(_faceflow_cards "75-real;80-real;90")
else()
    set(_faceflow_cards "75-real;80-real;90-real;100-real;120")
endif()
set(FACEFLOW_CUDA_ARCHITECTURES "${_faceflow_cards}" CACHE STRING "Cards to compile kernels for")
if(FACEFLOW_CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
        set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
    endif()
    if(NOT CMAKE_CUDA_HOST_COMPILER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # else nvcc's own choice
        set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
    endif()
    if(NOT CMAKE_CUDA_COMPILER_LAUNCHER)
        set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
    endif()
    # Set before the language is: CMake 3.25 tries its own default first, which newer toolkits have dropped.
    set(CMAKE_CUDA_ARCHITECTURES ${FACEFLOW_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 does not know that nvcc has it
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
        set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
endif()

# Only sources in folders named cuda see CUDA's headers; users of the library need neither headers nor libraries.
function(faceflow_use_cuda target)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*/cuda/*.cpp)
    list(TRANSFORM CUDAToolkit_INCLUDE_DIRS PREPEND "-isystem" OUTPUT_VARIABLE includes)
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${includes}")
    # To tell a card that has no kernels here before one is launched.
    list(JOIN FACEFLOW_CUDA_ARCHITECTURES "," cards)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/device/cuda/cuda_probe.cpp
                 APPEND PROPERTY COMPILE_DEFINITIONS FACEFLOW_CUDA_ARCHITECTURES="${cards}")

    # Ranges for Nsight: header-only, and silent where no profiler is attached.
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/device/stage_scope.cpp PROPERTIES
        COMPILE_OPTIONS "${includes}" COMPILE_DEFINITIONS FACEFLOW_NVTX)

    file(GLOB_RECURSE kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*/cuda/*.cu)
    target_sources(${target} PRIVATE ${kernels})
    # -fmad=false: see launch.cu. The relaxed rule lets kernels index a std::array.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false --expt-relaxed-constexpr
        -Xcompiler=-Wall,-Wextra,-ffp-contract=off $<$<BOOL:${FACEFLOW_WERROR}>:-Werror=all-warnings>>)
    if(FACEFLOW_SANITIZE)
        string(REPLACE "," "\\," sanitizers "${FACEFLOW_SANITIZE}")
        target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fsanitize=${sanitizers}>")
    endif()
    target_link_libraries(${target} PRIVATE $<LINK_ONLY:CUDA::cudart_static>)
endfunction()
