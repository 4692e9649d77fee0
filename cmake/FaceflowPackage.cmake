# SPDX-License-Identifier: Apache-2.0
# `make package`: a Debian package of what is installed, for the release that it is built on, with the service's unit and its settings, but
# without ONNX Runtime and without the weights that are for research only.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME faceflow)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION "Boxes, keypoints, 478 mesh landmarks, head pose, blinks and track ids of all faces in a video, a camera or a
 stream, on the CPU or an NVIDIA GPU; with a live service (faceflow serve) and a C++ library.")
set(CPACK_PACKAGE_CONTACT "The maintainers of faceflow <maintainers@users.noreply.faceflow.example>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL Unspecified package)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What `faceflow models import` runs, and whom to trust for https and rtsps.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3, python3-numpy, python3-onnx")

# The unit is there, and not enabled: it needs a token and settings, which README.md beside them explains.
file(READ deploy/faceflow.service unit)
string(REPLACE /usr/local/bin/ /usr/bin/ unit "${unit}")
file(WRITE ${PROJECT_BINARY_DIR}/package/faceflow.service "${unit}")
install(FILES ${PROJECT_BINARY_DIR}/package/faceflow.service DESTINATION lib/systemd/system
        COMPONENT package EXCLUDE_FROM_ALL)
install(FILES deploy/README.md deploy/serve.toml deploy/prometheus.yml deploy/alerts.yml deploy/grafana.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/faceflow/deploy COMPONENT package EXCLUDE_FROM_ALL)
include(CPack)
