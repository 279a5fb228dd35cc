/* libmodbus as the client that others have: lmclient PORT does each of its calls that
 * tests/system/functions.t asks for, given as lines on stdin, and prints what came of it.
 *
 *   mask ADDRESS AND OR
 *   writeread WRITE-ADDRESS READ-ADDRESS READ-COUNT VALUE...
 *   id
 *   registers ADDRESS COUNT
 *   unit ID */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MAX = 256 };

static void print_registers(int count, const uint16_t *values)
{
	for (int i = 0; i < count; i++)
		printf("%s%u", i ? " " : "", values[i]);
	printf("%s\n", count < 0 ? modbus_strerror(errno) : "");
}

static void mask(modbus_t *bus, const uint16_t *numbers)
{
	int rc = modbus_mask_write_register(bus, numbers[0], numbers[1], numbers[2]);
	puts(rc < 0 ? modbus_strerror(errno) : "done");
}

static void write_read(modbus_t *bus, const uint16_t *numbers, int count)
{
	uint16_t values[NUMBERS_MAX];
	print_registers(modbus_write_and_read_registers(bus, numbers[0], count - 3, numbers + 3,
							numbers[1], numbers[2], values),
			values);
}

static void report_id(modbus_t *bus)
{
	uint8_t bytes[NUMBERS_MAX];
	int count = modbus_report_slave_id(bus, sizeof bytes, bytes);
	for (int i = 0; i < count; i++)
		printf("%02x", bytes[i]);
	printf("%s\n", count < 0 ? modbus_strerror(errno) : "");
}

static void run(modbus_t *bus, const char *command, const uint16_t *numbers, int count)
{
	uint16_t values[NUMBERS_MAX];
	if (!strcmp(command, "mask") && count == 3)
		mask(bus, numbers);
	else if (!strcmp(command, "writeread") && count > 3)
		write_read(bus, numbers, count);
	else if (!strcmp(command, "id"))
		report_id(bus);
	else if (!strcmp(command, "registers") && count == 2)
		print_registers(modbus_read_registers(bus, numbers[0], numbers[1], values), values);
	else if (!strcmp(command, "unit") && count == 1)
		puts(modbus_set_slave(bus, numbers[0]) < 0 ? modbus_strerror(errno) : "done");
	else
		puts("?");
}

int main(int argc, char **argv)
{
	char line[4096];
	modbus_t *bus = argc == 2 ? modbus_new_tcp("127.0.0.1", atoi(argv[1])) : NULL;
	if (bus == NULL || modbus_connect(bus) < 0) {
		fprintf(stderr, "lmclient PORT: %s\n", modbus_strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof line, stdin) != NULL) {
		uint16_t numbers[NUMBERS_MAX];
		int count = 0;
		const char *command = strtok(line, " \n");
		for (const char *word; (word = strtok(NULL, " \n")) != NULL && count < NUMBERS_MAX;)
			numbers[count++] = (uint16_t)strtoul(word, NULL, 0);
		if (command != NULL)
			run(bus, command, numbers, count);
	}
	modbus_close(bus);
	modbus_free(bus);
	return 0;
}
