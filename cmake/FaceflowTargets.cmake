# Compiler settings shared by every target, and the library itself.
add_library(faceflow_flags INTERFACE)
target_compile_options(faceflow_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wconversion
    -Wno-sign-conversion
    # GCC 12 sees overlapping copies in std::string that are not there (GCC bug 105329).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${FACEFLOW_WERROR}>:-Werror>
    # The same input gives the same bytes on every build: no fused multiply-add behind our back.
    -ffp-contract=off)
if(FACEFLOW_SANITIZE)
    target_compile_options(faceflow_flags INTERFACE -fsanitize=${FACEFLOW_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(faceflow_flags INTERFACE -fsanitize=${FACEFLOW_SANITIZE})
endif()

# All of src/ but the command-line tool: one static library, its layers kept apart by tools/check_layers.py.
function(faceflow_add_library)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.cpp)
    list(FILTER sources EXCLUDE REGEX "/src/cli/")
    add_library(faceflow STATIC ${sources})
    add_library(faceflow::faceflow ALIAS faceflow)
    target_include_directories(faceflow
        PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_compile_features(faceflow PUBLIC cxx_std_20)
    target_compile_definitions(faceflow PRIVATE
        FACEFLOW_VERSION="${PROJECT_VERSION}" FACEFLOW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(faceflow
        PUBLIC tl::expected
        PRIVATE $<BUILD_INTERFACE:faceflow_flags> PkgConfig::FFMPEG PkgConfig::HIGHWAY fmt::fmt spdlog::spdlog
                nlohmann_json::nlohmann_json opencv_imgproc_only tomlplusplus::tomlplusplus OnnxRuntime::OnnxRuntime Threads::Threads)
endfunction()
