#pragma once

// sketch: class my_transport
