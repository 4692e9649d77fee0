// SPDX-License-Identifier: Apache-2.0
#include "telemetry/nvml.hpp"

#include "core/try.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <utility>

namespace faceflow::internal {
namespace {

// The part of NVML's C interface that is used here. The signature of a named function never changes: later versions
// have their own names (_v2).
namespace api {

using status = int;  // nvmlReturn_t
constexpr status success = 0, not_found = 6;
struct card;  // what nvmlDevice_t points to

struct utilisation {  // nvmlUtilization_t, percent
    unsigned int gpu, memory;
};
struct memory {  // nvmlMemory_t, bytes
    unsigned long long total, free, used;
};
constexpr int gpu_sensor = 0;                        // NVML_TEMPERATURE_GPU
constexpr int sent_by_gpu = 0, received_by_gpu = 1;  // NVML_PCIE_UTIL_TX_BYTES, _RX_BYTES
constexpr unsigned int mig_enabled = 1;              // NVML_DEVICE_MIG_ENABLE

using plain = status (*)();                                                          // nvmlInit, nvmlShutdown
using by_bus_id = status (*)(const char* bus_id, card** found);                      // nvmlDeviceGetHandleByPciBusId
using get_utilisation = status (*)(card*, utilisation*);                             // nvmlDeviceGetUtilizationRates
using get_memory = status (*)(card*, memory*);                                       // nvmlDeviceGetMemoryInfo
using get_temperature = status (*)(card*, int sensor, unsigned int* celsius);        // nvmlDeviceGetTemperature
using get_throughput = status (*)(card*, int counter, unsigned int* kb_per_second);  // nvmlDeviceGetPcieThroughput
using get_power = status (*)(card*, unsigned int* milliwatts);                       // nvmlDeviceGetPowerUsage
using get_mig = status (*)(card*, unsigned int* now, unsigned int* pending);         // nvmlDeviceGetMigMode

}  // namespace api

struct closer {
    void operator()(void* library) const noexcept { ::dlclose(library); }
};
using opened_library = std::unique_ptr<void, closer>;

// Null if the library has no such function.
template <class Function>
Function function(const opened_library& from, const char* name) {
    return reinterpret_cast<Function>(::dlsym(from.get(), name));
}

class nvml_readings final : public gpu_readings {
public:
    static result<std::unique_ptr<gpu_readings>> open(const std::string& bus_id, const std::string& library) {
        opened_library opened(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
        if (opened == nullptr) {
            const char* why = ::dlerror();
            return fail(errc::unavailable, fmt::format("no NVML: {}; it comes with the NVIDIA driver (in a container, "
                                                       "with the capability 'utility')",
                                                       why != nullptr ? why : library));
        }
        auto made = std::unique_ptr<nvml_readings>(new nvml_readings(std::move(opened)));
        FACEFLOW_TRY(made->find(bus_id));
        return made;
    }

    ~nvml_readings() override {
        if (started_ && shut_down_ != nullptr) shut_down_();
    }

    gpu_reading read() override {
        gpu_reading now;
        if (in_mig_mode()) return now;
        const auto set = [&](gpu_figure f, double value) { now[static_cast<std::size_t>(f)] = value; };
        if (api::utilisation u{}; utilisation_ != nullptr && utilisation_(card_, &u) == api::success) {
            set(gpu_figure::busy, u.gpu);
            set(gpu_figure::memory_busy, u.memory);
        }
        if (api::memory m{}; memory_ != nullptr && memory_(card_, &m) == api::success) {
            set(gpu_figure::memory_used, static_cast<double>(m.used));
            set(gpu_figure::memory_total, static_cast<double>(m.total));
        }
        unsigned int value = 0;
        if (temperature_ != nullptr && temperature_(card_, api::gpu_sensor, &value) == api::success)
            set(gpu_figure::temperature, value);
        if (power_ != nullptr && power_(card_, &value) == api::success) set(gpu_figure::power, value / 1e3);
        if (throughput_ != nullptr && throughput_(card_, api::received_by_gpu, &value) == api::success)
            set(gpu_figure::up, value * 1e3);
        if (throughput_ != nullptr && throughput_(card_, api::sent_by_gpu, &value) == api::success)
            set(gpu_figure::down, value * 1e3);
        return now;
    }

private:
    explicit nvml_readings(opened_library library)
        : library_(std::move(library)),
          shut_down_(function<api::plain>(library_, "nvmlShutdown")),
          utilisation_(function<api::get_utilisation>(library_, "nvmlDeviceGetUtilizationRates")),
          memory_(function<api::get_memory>(library_, "nvmlDeviceGetMemoryInfo")),
          temperature_(function<api::get_temperature>(library_, "nvmlDeviceGetTemperature")),
          throughput_(function<api::get_throughput>(library_, "nvmlDeviceGetPcieThroughput")),
          power_(function<api::get_power>(library_, "nvmlDeviceGetPowerUsage")),
          mig_(function<api::get_mig>(library_, "nvmlDeviceGetMigMode")) {}

    // The second version if the library has it; old drivers have only the first.
    template <class Function>
    Function newest(const char* second, const char* first) const {
        const auto found = function<Function>(library_, second);
        return found != nullptr ? found : function<Function>(library_, first);
    }

    result<void> find(const std::string& bus_id) {
        const auto start = newest<api::plain>("nvmlInit_v2", "nvmlInit");
        const auto look_up =
            newest<api::by_bus_id>("nvmlDeviceGetHandleByPciBusId_v2", "nvmlDeviceGetHandleByPciBusId");
        if (start == nullptr || look_up == nullptr)
            return fail(errc::unavailable, "the library that was opened as NVML lacks its functions");
        if (const api::status s = start(); s != api::success)
            return fail(errc::unavailable, fmt::format("NVML does not start (its status is {})", s));
        started_ = true;
        const api::status s = look_up(bus_id.c_str(), &card_);
        if (s == api::success) return {};
        return fail(errc::unavailable,
                    s == api::not_found
                        ? fmt::format("NVML knows no card at {}", bus_id)
                        : fmt::format("NVML does not give out the card at {} (its status is {})", bus_id, s));
    }

    bool in_mig_mode() const {
        unsigned int now = 0, pending = 0;
        return mig_ != nullptr && mig_(card_, &now, &pending) == api::success && now == api::mig_enabled;
    }

    const opened_library library_;
    const api::plain shut_down_;
    const api::get_utilisation utilisation_;
    const api::get_memory memory_;
    const api::get_temperature temperature_;
    const api::get_throughput throughput_;
    const api::get_power power_;
    const api::get_mig mig_;
    api::card* card_ = nullptr;
    bool started_ = false;
};

}  // namespace

result<std::unique_ptr<gpu_readings>> open_nvml(const std::string& bus_id, const std::string& library) {
    return nvml_readings::open(bus_id, library);
}

}  // namespace faceflow::internal
