#include "device/cuda/cuda_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace faceflow {
namespace {

struct meaning {
    cudaError_t status;
    errc code;
    std::string_view advice;
};

constexpr std::string_view context_lost =
    "the device's context is lost, so every later call of this process fails: restart it; compute-sanitizer finds the "
    "access";
constexpr std::string_view look_in_log = "look for NVRM and Xid lines in the kernel's log (dmesg)";

constexpr std::array meanings{
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
    meaning{cudaErrorECCUncorrectable, errc::unavailable,
            "the card's memory is damaged: reset the card (nvidia-smi -r); if it comes back, replace it"},
    meaning{cudaErrorHardwareStackError, errc::unavailable, look_in_log},
    meaning{cudaErrorNotSupported, errc::unsupported, "this device or driver lacks the feature"},
    meaning{cudaErrorIllegalAddress, errc::internal, context_lost},
    meaning{cudaErrorMisalignedAddress, errc::internal, context_lost},
    meaning{cudaErrorIllegalInstruction, errc::internal, context_lost},
    meaning{cudaErrorAssert, errc::internal, context_lost},
    meaning{cudaErrorLaunchFailure, errc::internal, context_lost},
    meaning{cudaErrorLaunchTimeout, errc::internal,
            "a kernel ran into the display watchdog; use a card that drives no display"},
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

current_device::current_device(int index) noexcept {
    status_ = cudaGetDevice(&before_);
    if (status_ != cudaSuccess || before_ == index) return;
    status_ = cudaSetDevice(index);
    changed_ = status_ == cudaSuccess;
}

current_device::~current_device() {
    if (changed_ && cudaSetDevice(before_) != cudaSuccess) forget_last_error();
}

}  // namespace faceflow
