// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace faceflow::internal {
namespace {

struct meaning {
    cudaError_t status;
    errc code;
    std::string_view advice;
};

// Errors that end a context: every later call on it fails with the same error (driver_types.h says so of most).
constexpr std::string_view context_lost =
    "the device's context is lost, so every later call of this process fails: start it again; compute-sanitizer finds "
    "the access";
constexpr std::string_view card_failed =
    "the device's context is lost with it: start the process again; if it comes back, reset the card (nvidia-smi -r) "
    "or "
    "replace it";
constexpr std::string_view mps_failed =
    "the MPS server has ended this process's work, perhaps because of a fault of another client: start the process "
    "again";
constexpr std::string_view look_in_log = "look for NVRM and Xid lines in the kernel's log (dmesg)";

constexpr std::array meanings {
    meaning{cudaErrorMemoryAllocation, errc::out_of_memory,
            "lower --device-memory, or free memory on the card (nvidia-smi shows who uses it)"},
        meaning{cudaErrorNoDevice, errc::unavailable,
                "nvidia-smi -L lists the devices; CUDA_VISIBLE_DEVICES may hide them"},
        meaning{cudaErrorInvalidDevice, errc::unavailable, "nvidia-smi -L lists the devices"},
        meaning{cudaErrorInsufficientDriver, errc::unavailable, "update the NVIDIA driver"},
        meaning{cudaErrorDevicesUnavailable, errc::unavailable,
                "another process holds the device exclusively, or it is being reset (nvidia-smi -q -d COMPUTE)"},
        meaning{cudaErrorSystemNotReady, errc::unavailable,
                "a system service of the driver is not up: nvidia-fabricmanager"},
        meaning{cudaErrorSystemDriverMismatch, errc::unavailable,
                "the driver was updated while it was in use: reload its modules, or reboot"},
        meaning{cudaErrorCompatNotSupportedOnDevice, errc::unavailable,
                "this card cannot use a forward-compatibility libcuda: update the driver itself"},
        meaning{cudaErrorInitializationError, errc::unavailable, look_in_log},
        meaning{cudaErrorOperatingSystem, errc::unavailable, look_in_log},
        meaning{cudaErrorMpsConnectionFailed, errc::unavailable,
                "the MPS server does not answer (echo get_server_list | nvidia-cuda-mps-control); unset "
                "CUDA_MPS_PIPE_DIRECTORY to go without it"},
        meaning{cudaErrorMpsServerNotReady, errc::unavailable, "the MPS server is recovering from a fault: try again"},
        meaning{cudaErrorStreamCaptureInvalidated, errc::interrupted,
                "a call of another thread, such as one that creates a decoder, broke the stream capture"},
        meaning{cudaErrorNotSupported, errc::unsupported, "this device or driver lacks the feature"},
        meaning{cudaErrorNoKernelImageForDevice, errc::unsupported,
                "this program has no machine code for this card: build it with -DFACEFLOW_CUDA_ARCHITECTURES=native"},
        meaning{cudaErrorECCUncorrectable, errc::device_lost, card_failed},
        meaning{cudaErrorNvlinkUncorrectable, errc::device_lost, card_failed},
        meaning{cudaErrorHardwareStackError, errc::device_lost, card_failed},
        meaning{cudaErrorExternalDevice, errc::device_lost, card_failed},
        meaning{cudaErrorIllegalAddress, errc::device_lost, context_lost},
        meaning{cudaErrorMisalignedAddress, errc::device_lost, context_lost},
        meaning{cudaErrorInvalidAddressSpace, errc::device_lost, context_lost},
        meaning{cudaErrorInvalidPc, errc::device_lost, context_lost},
        meaning{cudaErrorIllegalInstruction, errc::device_lost, context_lost},
        meaning{cudaErrorAssert, errc::device_lost, context_lost},
        meaning{cudaErrorLaunchFailure, errc::device_lost, context_lost},
        meaning{cudaErrorContextIsDestroyed, errc::device_lost, context_lost},
        meaning{cudaErrorMpsRpcFailure, errc::device_lost, mps_failed},
        meaning{cudaErrorMpsClientTerminated, errc::device_lost, mps_failed},
        meaning{cudaErrorLaunchTimeout, errc::device_lost,
                "a kernel ran into the display watchdog, and the device's context is lost; use a card that drives no "
                "display"},
#if CUDART_VERSION >= 13000
        meaning{cudaErrorContained, errc::device_lost, card_failed},
        meaning{cudaErrorTensorMemoryLeak, errc::device_lost, context_lost},
#endif
};

}  // namespace

error cuda_error(cudaError_t status, std::string_view call) {
    const auto* const found =
        std::find_if(meanings.begin(), meanings.end(), [status](const meaning& m) { return m.status == status; });
    const bool known = found != meanings.end();
    return {known ? found->code : errc::internal,
            fmt::format("{} failed: {} ({}); {}", call, cudaGetErrorName(status), cudaGetErrorString(status),
                        known ? found->advice : "please report it")};
}

void forget_last_error() noexcept {
    [[maybe_unused]] const auto forgotten = cudaGetLastError();
}

result<void> checked(cudaError_t status, std::string_view call) {
    if (status == cudaSuccess) return {};
    forget_last_error();
    return tl::unexpected(cuda_error(status, call));
}

void* driver_function(const char* name, [[maybe_unused]] unsigned int version) {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult status{};
#if CUDART_VERSION >= 12050
    const cudaError_t asked = cudaGetDriverEntryPointByVersion(name, &found, version, cudaEnableDefault, &status);
#else
    const cudaError_t asked = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault, &status);
#endif
    if (asked == cudaSuccess && status == cudaDriverEntryPointSuccess) return found;
    forget_last_error();
    return nullptr;
}

int device_attribute(cudaDeviceAttr which, int index) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, which, index) == cudaSuccess) return value;
    forget_last_error();
    return 0;
}

bool exports_descriptors(int index) {
    return (device_attribute(cudaDevAttrMemoryPoolSupportedHandleTypes, index) &
            cudaMemHandleTypePosixFileDescriptor) != 0;
}

current_device::current_device(int index) noexcept {
    status_ = cudaGetDevice(&before_);
    if (status_ != cudaSuccess || before_ == index) return;
    status_ = cudaSetDevice(index);
    changed_ = status_ == cudaSuccess;
}

current_device::~current_device() {
    if (changed_ && cudaSetDevice(before_) != cudaSuccess) forget_last_error();
}

}  // namespace faceflow::internal
