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

# Only the sources of the CUDA device see CUDA's headers; users of the library need neither headers nor libraries.
function(faceflow_use_cuda target)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/device/cuda/*.cpp)
    list(TRANSFORM CUDAToolkit_INCLUDE_DIRS PREPEND "-isystem" OUTPUT_VARIABLE includes)
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${includes}")
    set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/device/open_devices.cpp APPEND PROPERTY COMPILE_DEFINITIONS FACEFLOW_CUDA)
    target_link_libraries(${target} PRIVATE $<LINK_ONLY:CUDA::cudart_static>)
endfunction()
