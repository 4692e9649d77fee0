# SPDX-License-Identifier: Apache-2.0
# Compiler settings shared by every target, and the library itself.
add_library(faceflow_flags INTERFACE)
set(_faceflow_options
    -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wconversion -Wno-sign-conversion
    # Sources that are compiled together do not hide each other's names, they only share them.
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Wshadow>
    # GCC 12 sees overlapping copies in std::string that are not there (GCC bug 105329).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${FACEFLOW_WERROR}>:-Werror>
    # The same input gives the same bytes on every build: no fused multiply-add behind our back.
    -ffp-contract=off)
if(FACEFLOW_SANITIZE)
    list(APPEND _faceflow_options -fsanitize=${FACEFLOW_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(faceflow_flags INTERFACE -fsanitize=${FACEFLOW_SANITIZE})
    # Behind a sanitizer's checks GCC loses sight of tl::expected's own flag, and takes its empty half for one that is read. What
    # it warns of changes with them: the other builds hold the code to all warnings.
    list(APPEND _faceflow_options $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-error>)
endif()
# nvcc has options of its own (FaceflowCuda.cmake).
target_compile_options(faceflow_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${_faceflow_options}>")

# For targets of many small sources. GCC 12 then warns of freed memory in std::string that was never allocated: a false alarm.
function(faceflow_unity target)
    if(FACEFLOW_UNITY)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-free-nonheap-object>)
    endif()
endfunction()

# What was compiled for another version cannot run with this one: below 1.0 each minor version breaks.
set(faceflow_soversion ${PROJECT_VERSION_MAJOR})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(faceflow_soversion 0.${PROJECT_VERSION_MINOR})
endif()

# All of src/ but the command-line tool, twice: faceflow_core is static and shows everything, for the tool and the tests;
# faceflow is the shared library that users link, which shows the public API alone. Layers are kept apart by
# tools/check_layers.py.
function(faceflow_add_library)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp)
    list(FILTER sources EXCLUDE REGEX "/src/(cli|serve)/")
    if(FACEFLOW_CUDA)
        list(FILTER sources EXCLUDE REGEX "/src/backends/no_cuda/")
    else()
        list(FILTER sources EXCLUDE REGEX "/src/[a-z]+/cuda/")
    endif()
    if(NOT OnnxRuntime_FOUND)
        list(FILTER sources EXCLUDE REGEX "/src/inference/onnxruntime/")
    endif()
    add_library(faceflow_core STATIC ${sources})
    target_include_directories(faceflow_core PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_compile_features(faceflow_core PUBLIC cxx_std_20)
    # For the one file that needs it: a compiler cache then serves every checkout.
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/inference/catalogue.cpp
                 APPEND PROPERTY COMPILE_DEFINITIONS FACEFLOW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    # Highway includes these again for every instruction set: none shares a compilation with another.
    foreach(kernels numbers product product_bf16 rows winograd)
        set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/inference/cpu/${kernels}.cpp PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
        # Loops of arithmetic: watched, they would take most of the time of that build's tests. That threads which share a picture keep to
        # their own rows, tests hold by the bytes that come out (cpu_workers).
        if(FACEFLOW_SANITIZE STREQUAL "thread")
            set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/inference/cpu/${kernels}.cpp
                         APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=thread -O2)
        endif()
    endforeach()
    # A test program has devices of its own instead: the linker leaves this one out if nothing else is in its object.
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/backends/open_devices.cpp PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
    # What dlsym finds there is called by types of our own for another's structs.
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/telemetry/nvml.cpp
                 APPEND PROPERTY COMPILE_OPTIONS $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
    target_link_libraries(faceflow_core PRIVATE faceflow_flags PUBLIC tl::expected PkgConfig::FFMPEG PkgConfig::HIGHWAY fmt::fmt
        nlohmann_json::nlohmann_json opencv_imgproc_only tomlplusplus::tomlplusplus
        Threads::Threads ${CMAKE_DL_LIBS})

    if(FACEFLOW_CUDA)
        faceflow_use_cuda(faceflow_core)
    endif()
    if(OnnxRuntime_FOUND)
        faceflow_use_onnxruntime()
    endif()

    set(exports ${PROJECT_SOURCE_DIR}/cmake/exports.map)
    add_library(faceflow SHARED ${PROJECT_SOURCE_DIR}/cmake/empty.cpp)
    add_library(faceflow::faceflow ALIAS faceflow)
    set_target_properties(faceflow PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${faceflow_soversion}
        INSTALL_RPATH "$ORIGIN" LINK_DEPENDS ${exports})
    target_include_directories(faceflow INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(faceflow INTERFACE cxx_std_20)
    target_link_libraries(faceflow INTERFACE tl::expected
        PRIVATE $<BUILD_INTERFACE:faceflow_flags> $<BUILD_INTERFACE:$<LINK_LIBRARY:WHOLE_ARCHIVE,faceflow_core>>)
    target_link_options(faceflow PRIVATE LINKER:--version-script=${exports})
endfunction()

# The service, for the command line alone: the shared library does without Boost, OpenSSL and
# prometheus-cpp.
function(faceflow_add_serve)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/serve/*.cpp)
    set(page ${PROJECT_SOURCE_DIR}/src/serve/page)
    set(files
        "/|text/html|${page}/index.html"
        "/app.js|text/javascript|${page}/app.js"
        "/style.css|text/css|${page}/style.css"
        "/icon.svg|image/svg+xml|${page}/icon.svg"
        "/LICENSES.txt|text/plain|${page}/LICENSES.txt"
        "/v1/openapi.json|application/json|${PROJECT_SOURCE_DIR}/docs/schema/openapi.json")
    list(TRANSFORM files REPLACE ".*\\|" "" OUTPUT_VARIABLE inputs)
    set(made ${PROJECT_BINARY_DIR}/serve_files.cpp)
    add_custom_command(OUTPUT ${made}
        COMMAND ${CMAKE_COMMAND} -DOUT=${made} "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
    add_library(faceflow_serve STATIC ${sources} ${made})
    target_link_libraries(faceflow_serve PUBLIC faceflow_core PRIVATE faceflow_flags Boost::headers
        prometheus-cpp::core OpenSSL::SSL)
endfunction()

# What other programs link to get at shared frames: a few files of src/, with nothing behind them but libstdc++.
function(faceflow_add_client_library)
    set(sources core/names core/printable core/sealed_memory core/semaphore frame/layout frame/picture_facts ipc/channel ipc/control_page
        ipc/listener ipc/message ipc/share_page ipc/share_protocol client/anticipation client/connection client/client_c)
    list(TRANSFORM sources REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/\\1.cpp")
    set(exports ${PROJECT_SOURCE_DIR}/cmake/client_exports.map)
    add_library(faceflow_client SHARED ${sources})
    add_library(faceflow::client ALIAS faceflow_client)
    set_target_properties(faceflow_client PROPERTIES OUTPUT_NAME faceflow-client EXPORT_NAME client
        VERSION ${PROJECT_VERSION} SOVERSION ${faceflow_soversion} LINK_DEPENDS ${exports})
    target_include_directories(faceflow_client PRIVATE ${PROJECT_SOURCE_DIR}/src
        INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(faceflow_client PRIVATE
        $<BUILD_INTERFACE:faceflow_flags> $<BUILD_INTERFACE:tl::expected> $<BUILD_INTERFACE:fmt::fmt-header-only>)
    # clang's sanitizers are linked into programs, and a library leaves them undefined.
    target_link_options(faceflow_client PRIVATE LINKER:--version-script=${exports})
    if(NOT FACEFLOW_SANITIZE)
        target_link_options(faceflow_client PRIVATE LINKER:--no-undefined)
    endif()
endfunction()
