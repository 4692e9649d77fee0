# SPDX-License-Identifier: Apache-2.0
# A relocatable prefix: the tool, the library with its headers and CMake package, models, manual and completions.
include(CMakePackageConfigHelpers)

install(TARGETS faceflow_cli faceflow faceflow_client EXPORT faceflow-targets)
install(DIRECTORY include/faceflow TYPE INCLUDE)
install(TARGETS faceflow_stage DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/faceflow)

file(RELATIVE_PATH FACEFLOW_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" FACEFLOW_PC_TO_PREFIX "${FACEFLOW_PC_TO_PREFIX}")
configure_file(cmake/faceflow-client.pc.in ${PROJECT_BINARY_DIR}/faceflow-client.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/faceflow-client.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES examples/python/faceflow_client.py DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/python)

# An ONNX Runtime that is not the system's own travels along, under the name that the loader is asked for.
if(OnnxRuntime_FOUND)
    get_filename_component(_ort_real ${OnnxRuntime_LIBRARY} REALPATH)
endif()
if(OnnxRuntime_FOUND AND NOT _ort_real MATCHES "^/(usr/)?lib")
    install(FILES ${_ort_real} DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME ${_ort_soname} COMPONENT onnxruntime)
    # Its providers for GPUs, which it looks for beside itself.
    get_filename_component(_ort_folder ${_ort_real} DIRECTORY)
    file(GLOB _ort_providers ${_ort_folder}/libonnxruntime_providers_*.so)
    if(_ort_providers MATCHES "_cuda")
        install(FILES ${_ort_providers} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT onnxruntime)
    endif()
endif()

install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/models)
# `faceflow models import` runs these.
install(PROGRAMS tools/convert_mediapipe.py DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/tools)
install(FILES tools/make_plan.py DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/tools)
install(DIRECTORY tools/tflite_onnx tools/plan DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/tools FILES_MATCHING PATTERN "*.py")
# Fetched at set-up, so it may be missing; its licence allows research only.
install(DIRECTORY assets/models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/models OPTIONAL COMPONENT research)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

foreach(page "manual:faceflow.1:man/man1" "completion bash:faceflow:bash-completion/completions"
             "completion zsh:_faceflow:zsh/site-functions")
    string(REPLACE ":" ";" page "${page}")
    list(GET page 0 arguments)
    list(GET page 1 file)
    list(GET page 2 folder)
    separate_arguments(arguments)
    set(made ${PROJECT_BINARY_DIR}/share/${folder}/${file})
    cmake_path(GET made PARENT_PATH made_folder)
    add_custom_command(OUTPUT ${made} COMMAND ${CMAKE_COMMAND} -E make_directory ${made_folder}
                       COMMAND faceflow_cli ${arguments} > ${made} DEPENDS faceflow_cli VERBATIM)
    list(APPEND pages ${made})
    install(FILES ${made} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
endforeach()
add_custom_target(faceflow_pages ALL DEPENDS ${pages})

install(EXPORT faceflow-targets NAMESPACE faceflow:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/faceflow)
configure_package_config_file(cmake/faceflow-config.cmake.in ${PROJECT_BINARY_DIR}/faceflow-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/faceflow)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/faceflow-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/faceflow-config.cmake ${PROJECT_BINARY_DIR}/faceflow-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/faceflow)
