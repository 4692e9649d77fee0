# SPDX-License-Identifier: Apache-2.0
# What faceflow builds upon. Everything comes from Debian packages.
# A project that faceflow is a part of sees what its targets are linked to.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET
    libavformat libavcodec libavdevice libavutil libswscale)
pkg_check_modules(HIGHWAY REQUIRED IMPORTED_TARGET libhwy)
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tl-expected REQUIRED)
if(FACEFLOW_SERVE)
    find_package(Boost 1.74 REQUIRED)
    find_package(OpenSSL REQUIRED)
    find_package(prometheus-cpp REQUIRED)
endif()
# Debian ships OpenCV's CMake package only with all of OpenCV; two modules are enough here.
find_path(OPENCV_INCLUDE_DIR opencv2/imgproc.hpp PATH_SUFFIXES opencv4 REQUIRED)
find_library(OPENCV_CORE opencv_core REQUIRED)
find_library(OPENCV_IMGPROC opencv_imgproc REQUIRED)
add_library(opencv_imgproc_only INTERFACE)
target_include_directories(opencv_imgproc_only SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
target_link_libraries(opencv_imgproc_only INTERFACE ${OPENCV_IMGPROC} ${OPENCV_CORE})
