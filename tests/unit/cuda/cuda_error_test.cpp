// SPDX-License-Identifier: Apache-2.0
// How CUDA's codes become errors; needs no driver.
#include "device/cuda/cuda_error.hpp"

#include <gmock/gmock.h>

namespace faceflow::internal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(cuda_errors, after_which_every_call_fails_are_a_lost_device) {
    for (const cudaError_t sticky :
         {cudaErrorIllegalAddress, cudaErrorMisalignedAddress, cudaErrorInvalidAddressSpace, cudaErrorInvalidPc,
          cudaErrorIllegalInstruction, cudaErrorAssert, cudaErrorLaunchFailure, cudaErrorLaunchTimeout,
          cudaErrorHardwareStackError, cudaErrorECCUncorrectable, cudaErrorMpsClientTerminated,
          cudaErrorExternalDevice}) {
        const error e = cuda_error(sticky, "cudaEventSynchronize");
        EXPECT_EQ(e.code, errc::device_lost) << e.message;
        EXPECT_THAT(e.message, AllOf(HasSubstr("cudaEventSynchronize failed: cudaError"), HasSubstr("; ")));
    }
}

TEST(cuda_errors, that_pass_are_not) {
    for (const auto& [status, code] : {std::pair{cudaErrorMemoryAllocation, errc::out_of_memory},
                                       {cudaErrorNoDevice, errc::unavailable},
                                       {cudaErrorMpsServerNotReady, errc::unavailable},
                                       {cudaErrorNotSupported, errc::unsupported},
                                       {cudaErrorNoKernelImageForDevice, errc::unsupported},
                                       {cudaErrorInvalidValue, errc::internal},
                                       {cudaErrorLaunchOutOfResources, errc::internal}}) {
        EXPECT_EQ(cuda_error(status, "a call").code, code) << cudaGetErrorName(status);
    }
}

}  // namespace
}  // namespace faceflow::internal
