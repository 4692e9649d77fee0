/* SPDX-License-Identifier: Apache-2.0 */
/* The version of these headers. While it begins with 0, a minor version may break binary compatibility; the library's
 * file name includes it (libfaceflow.so.0.2). C, for programs that use client.h. */
#ifndef FACEFLOW_VERSION_H
#define FACEFLOW_VERSION_H

#define FACEFLOW_VERSION_MAJOR 0
#define FACEFLOW_VERSION_MINOR 2
#define FACEFLOW_VERSION_PATCH 0

#define FACEFLOW_STRINGIFY_2(x) #x
#define FACEFLOW_STRINGIFY(x) FACEFLOW_STRINGIFY_2(x)
/* "0.2.0" */
#define FACEFLOW_VERSION                       \
    FACEFLOW_STRINGIFY(FACEFLOW_VERSION_MAJOR) \
    "." FACEFLOW_STRINGIFY(FACEFLOW_VERSION_MINOR) "." FACEFLOW_STRINGIFY(FACEFLOW_VERSION_PATCH)

#endif
